import { MessageBar, MessageBarActions, MessageBarBody, makeStyles } from '@fluentui/react-components';
import type { ReactNode } from 'react';

const useStyles = makeStyles({
  body: { whiteSpace: 'normal', overflowWrap: 'anywhere' },
});

interface NoticeProps {
  readonly intent: 'info' | 'warning' | 'success';
  readonly children: ReactNode;
  readonly actions?: ReactNode;
}

/** Something that a reader should know before the rest: a sentence or two, and what can be done about it. */
export function Notice({ intent, children, actions }: NoticeProps) {
  return (
    <MessageBar intent={intent} layout="multiline">
      <MessageBarBody className={useStyles().body}>{children}</MessageBarBody>
      {actions !== undefined && <MessageBarActions>{actions}</MessageBarActions>}
    </MessageBar>
  );
}
