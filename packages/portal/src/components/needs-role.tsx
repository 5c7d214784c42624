import { makeStyles, tokens } from '@fluentui/react-components';
import type { Me, RoleName } from '@postern/protocol/admin/directory';
import { CopyBlock } from './copy-text.tsx';
import { Facts } from './facts.tsx';
import { Page } from './page.tsx';
import { Section } from './section.tsx';

const useStyles = makeStyles({ words: { maxWidth: '72ch', color: tokens.colorNeutralForeground3 } });

/** Whether somebody holds a role; a Global Administrator may do what all others may. */
export function holdsRole({ roles }: Me, needed: RoleName): boolean {
  return roles.includes(needed) || roles.includes('Global Administrator');
}

/** In place of a page: which role is held, which is needed, and who can grant it. */
export function NeedsRole({ me, needed }: { readonly me: Me; readonly needed: RoleName }) {
  const styles = useStyles();
  const grantAddress = `${location.origin}/admin/users/${me.id}/directory-role`;
  return (
    <Page
      title="You do not have the role for this page"
      lead="You are signed in, and your account works. It lacks a role that this page needs."
    >
      <Section title="What is missing">
        <Facts
          rows={[
            ['Account', `${me.displayName} (${me.userPrincipalName})`],
            ['Role you hold', me.roles.length === 0 ? 'None' : me.roles.join(', ')],
            ['Role needed', needed],
            [
              'Who can grant it',
              'A Global Administrator, on Users → All users → your account → Directory role',
            ],
          ]}
        />
      </Section>
      <Section title="What to do">
        <p className={styles.words}>
          Send this to a Global Administrator. The page works as soon as the role is given; there is no need
          to sign in again.
        </p>
        <CopyBlock
          what="the request for a Global Administrator"
          text={`${me.displayName} (${me.userPrincipalName}) needs the role ${needed}.\nGive it here: ${grantAddress}\nor on the command line: postern user role ${me.userPrincipalName} --add "${needed}"`}
        />
      </Section>
    </Page>
  );
}
