import { makeStyles, Spinner } from '@fluentui/react-components';
import { useEffect, useState } from 'react';

const useStyles = makeStyles({ loading: { display: 'flex', padding: '24px 0' } });

/** Says that something is being read, once it takes longer than one notices. */
export function Loading({ what }: { readonly what: string }) {
  const styles = useStyles();
  const [isShown, setIsShown] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setIsShown(true), 300);
    return () => clearTimeout(timer);
  }, []);
  return (
    <div className={styles.loading}>{isShown && <Spinner size="small" label={`Loading ${what} …`} />}</div>
  );
}
