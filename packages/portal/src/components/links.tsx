import { Button, Link } from '@fluentui/react-components';
import { createLink } from '@tanstack/react-router';
import type { ComponentProps, Ref } from 'react';

type AnchorProps = Omit<ComponentProps<'a'>, 'ref'> & { ref?: Ref<HTMLAnchorElement> };

/** A link to another page of the Admin center, as Fluent draws links. */
export const PageLink = createLink(({ ref, ...props }: AnchorProps) => <Link {...props} as="a" ref={ref} />);

/** The same as a button: for what begins something. */
export const PageButton = createLink(
  ({ ref, appearance, ...props }: AnchorProps & { appearance?: 'primary' | 'secondary' | 'subtle' }) => (
    <Button {...props} as="a" ref={ref} appearance={appearance} />
  ),
);

interface GroupLinkProps {
  /** Undefined while it is not known. */
  readonly group: { readonly id: string; readonly name: string } | undefined;
}

/** Leads to a connector group, under its name. */
export function GroupLink({ group }: GroupLinkProps) {
  if (group === undefined) return '–';
  return (
    <PageLink to="/connector-groups/$groupId" params={{ groupId: group.id }}>
      {group.name}
    </PageLink>
  );
}
