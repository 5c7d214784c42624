import {
  Button,
  MessageBar,
  MessageBarActions,
  MessageBarBody,
  makeStyles,
  tokens,
} from '@fluentui/react-components';
import { ApiError } from '../api/client.ts';

const useStyles = makeStyles({
  body: { whiteSpace: 'normal', overflowWrap: 'anywhere' },
  id: { display: 'block', color: tokens.colorNeutralForeground3, fontSize: '12px', overflowWrap: 'anywhere' },
});

interface FailureProps {
  readonly error: Error;
  /** What was tried, to begin the sentence: "The connectors cannot be shown." */
  readonly what?: string;
  readonly retry?: () => void;
}

/** Why something could not be read or changed, in the service's own words, and what to do. */
export function Failure({ error, what, retry }: FailureProps) {
  const styles = useStyles();
  const isSignedOut = error instanceof ApiError && error.status === 401;
  const requestId = error instanceof ApiError ? error.requestId : null;
  return (
    <MessageBar intent="error" layout="multiline" role="alert">
      <MessageBarBody className={styles.body}>
        {isSignedOut
          ? 'You are signed out, or your session has ended.'
          : [what, error.message].filter(Boolean).join(' ')}
        {requestId !== null && !isSignedOut && <span className={styles.id}>Request id {requestId}</span>}
      </MessageBarBody>
      <MessageBarActions>
        {isSignedOut ? (
          <Button as="a" size="small" href={signInAddress()}>
            Sign in
          </Button>
        ) : (
          retry !== undefined && (
            <Button size="small" onClick={retry}>
              Try again
            </Button>
          )
        )}
      </MessageBarActions>
    </MessageBar>
  );
}

/** Through sign-in and back to this page. */
function signInAddress(): string {
  return `/.postern/sign-in?return=${encodeURIComponent(location.pathname + location.search)}`;
}
