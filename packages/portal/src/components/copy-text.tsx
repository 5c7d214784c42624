import { Button, makeStyles, tokens } from '@fluentui/react-components';
import { useEffect, useState } from 'react';
import { CopyIcon } from './icons.tsx';

const useStyles = makeStyles({
  line: { display: 'inline-flex', alignItems: 'center', gap: '4px', maxWidth: '100%' },
  text: { fontFamily: tokens.fontFamilyMonospace, fontSize: '13px', overflowWrap: 'anywhere', minWidth: 0 },
  block: { display: 'flex', flexDirection: 'column', alignItems: 'flex-start', gap: '8px', minWidth: 0 },
  lines: { margin: 0, fontFamily: 'inherit', whiteSpace: 'pre-wrap', overflowWrap: 'anywhere' },
  code: {
    width: '100%',
    padding: '12px',
    maxHeight: '240px',
    overflow: 'auto',
    fontFamily: tokens.fontFamilyMonospace,
    fontSize: '13px',
    lineHeight: '20px',
    backgroundColor: tokens.colorNeutralBackground2,
    border: `1px solid ${tokens.colorNeutralStroke2}`,
    borderRadius: tokens.borderRadiusMedium,
  },
});

interface CopyTextProps {
  readonly text: string;
  /** What it is, for the button: "Copy thumbprint". */
  readonly what: string;
}

/** An id or a host in one line, to be selected or copied; `copied` where what is shown is only its beginning. */
export function CopyText({ text, what, copied = text }: CopyTextProps & { readonly copied?: string }) {
  const styles = useStyles();
  return (
    <span className={styles.line}>
      <code className={styles.text}>{text}</code>
      <CopyButton text={copied} what={what} isSmall />
    </span>
  );
}

/** Several lines to be copied as they are: a command, a list for a ticket. */
export function CopyBlock({ text, what }: CopyTextProps) {
  const styles = useStyles();
  return (
    <div className={styles.block}>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by the keyboard. */}
      <section className={styles.code} aria-label={what} tabIndex={0}>
        <pre className={styles.lines}>{text}</pre>
      </section>
      <CopyButton text={text} what={what} />
    </div>
  );
}

/** Copies a text, and says whether that worked. */
export function CopyButton({ text, what, isSmall = false }: CopyTextProps & { readonly isSmall?: boolean }) {
  const [outcome, setOutcome] = useState<'copied' | 'refused' | null>(null);
  useEffect(() => {
    if (outcome === null) return;
    const timer = setTimeout(() => setOutcome(null), 3_000);
    return () => clearTimeout(timer);
  }, [outcome]);
  const copy = () => {
    navigator.clipboard.writeText(text).then(
      () => setOutcome('copied'),
      () => setOutcome('refused'),
    );
  };
  const words = outcome === null ? '' : outcome === 'copied' ? 'Copied' : 'Not copied: select the text';
  return (
    <>
      <Button
        size={isSmall ? 'small' : 'medium'}
        appearance={isSmall ? 'subtle' : 'secondary'}
        icon={<CopyIcon />}
        aria-label={`Copy ${what}`}
        title={`Copy ${what}`}
        onClick={copy}
      >
        {isSmall ? undefined : 'Copy'}
      </Button>
      <span role="status">{words}</span>
    </>
  );
}
