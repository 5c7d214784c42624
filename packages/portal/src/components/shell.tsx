import { Button, makeStyles, mergeClasses, tokens } from '@fluentui/react-components';
import type { Me } from '@postern/protocol/admin/directory';
import { useQuery } from '@tanstack/react-query';
import { Link, Outlet, useMatches, useRouterState } from '@tanstack/react-router';
import { type KeyboardEvent, useEffect, useRef, useState } from 'react';
import { meQuery } from '../api/me.ts';
import { Failure } from './failure.tsx';
import { Mark, MenuIcon } from './icons.tsx';
import { Loading } from './loading.tsx';
import { holdsRole, NeedsRole } from './needs-role.tsx';

/** Below this width the navigation is behind a button. */
const narrow = '@media (max-width: 760px)';
/** Below this width the bar has room for its buttons alone. */
const tiny = '@media (max-width: 400px)';

const useStyles = makeStyles({
  skip: {
    position: 'absolute',
    left: '-9999px',
    ':focus': {
      left: '16px',
      top: '8px',
      zIndex: 10,
      padding: '8px 16px',
      backgroundColor: tokens.colorNeutralBackground1,
      color: tokens.colorBrandForegroundLink,
    },
  },
  bar: {
    display: 'flex',
    alignItems: 'center',
    gap: '16px',
    padding: '8px 24px',
    minHeight: '56px',
    backgroundColor: tokens.colorNeutralBackground1,
    borderBottom: `1px solid ${tokens.colorNeutralStroke2}`,
    [narrow]: { padding: '8px 12px', gap: '8px' },
  },
  brand: {
    display: 'flex',
    alignItems: 'center',
    gap: '10px',
    fontSize: '16px',
    fontWeight: 600,
    whiteSpace: 'nowrap',
  },
  barButton: {
    whiteSpace: 'nowrap',
    [narrow]: { minWidth: 'auto', paddingLeft: '8px', paddingRight: '8px' },
  },
  mark: { display: 'flex', color: tokens.colorBrandForeground1 },
  product: { [narrow]: { display: 'none' } },
  // Seen no longer, and read out all the same.
  words: { [tiny]: { position: 'absolute', clipPath: 'inset(50%)' } },
  menu: { display: 'none', [narrow]: { display: 'inline-flex' } },
  end: {
    marginLeft: 'auto',
    display: 'flex',
    alignItems: 'center',
    gap: '12px',
    minWidth: 0,
    [narrow]: { gap: '4px' },
  },
  who: {
    color: tokens.colorNeutralForeground3,
    overflow: 'hidden',
    textOverflow: 'ellipsis',
    whiteSpace: 'nowrap',
    minWidth: 0,
    [narrow]: { display: 'none' },
  },
  body: { display: 'flex', flex: '1 1 auto', minWidth: 0, backgroundColor: tokens.colorNeutralBackground2 },
  navigation: {
    flex: '0 0 220px',
    padding: '20px 12px',
    borderRight: `1px solid ${tokens.colorNeutralStroke2}`,
    [narrow]: {
      display: 'none',
      position: 'absolute',
      zIndex: 5,
      width: '260px',
      minHeight: 'calc(100dvh - 57px)',
      backgroundColor: tokens.colorNeutralBackground1,
      boxShadow: tokens.shadow16,
    },
  },
  open: { [narrow]: { display: 'block' } },
  group: { ':not(:first-child)': { marginTop: '20px' } },
  heading: {
    padding: '0 12px',
    marginBottom: '4px',
    fontSize: '12px',
    lineHeight: '16px',
    fontWeight: 600,
    color: tokens.colorNeutralForeground3,
  },
  list: { listStyleType: 'none', padding: 0, display: 'flex', flexDirection: 'column', gap: '2px' },
  item: {
    display: 'block',
    padding: '7px 12px',
    borderRadius: tokens.borderRadiusMedium,
    color: tokens.colorNeutralForeground2,
    textDecorationLine: 'none',
    ':hover': { backgroundColor: tokens.colorSubtleBackgroundHover, color: tokens.colorNeutralForeground1 },
    ':focus-visible': { outline: `2px solid ${tokens.colorStrokeFocus2}` },
    '&[aria-current=page]': {
      backgroundColor: tokens.colorNeutralBackground1,
      boxShadow: `inset 3px 0 0 ${tokens.colorBrandForeground1}`,
      color: tokens.colorNeutralForeground1,
      fontWeight: 600,
    },
  },
  main: {
    flex: '1 1 auto',
    minWidth: 0,
    maxWidth: '1200px',
    padding: '28px 32px 64px',
    [narrow]: { padding: '20px 16px 48px' },
  },
});

/** What every page stands in: who is signed in, the way to the other pages, and whether this one may be shown. */
export function Shell() {
  const styles = useStyles();
  const [isOpen, setIsOpen] = useState(false);
  const path = useRouterState({ select: state => (state.resolvedLocation ?? state.location).pathname });
  const main = useRef<HTMLElement>(null);
  const menu = useRef<HTMLButtonElement>(null);
  const shownPath = useRef(path);
  useEffect(() => {
    if (shownPath.current === path) return;
    shownPath.current = path;
    setIsOpen(false);
    // A page that has changed under a reader of the screen says so by its title.
    main.current?.querySelector('h1')?.focus();
  }, [path]);
  const me = useQuery(meQuery);
  const closeOnEscape = ({ key }: KeyboardEvent) => {
    if (key !== 'Escape' || !isOpen) return;
    setIsOpen(false);
    // The links that might have the focus are gone.
    menu.current?.focus();
  };
  return (
    <>
      <a className={styles.skip} href="#content">
        Skip to the content
      </a>
      <header className={styles.bar}>
        <Button
          ref={menu}
          className={styles.menu}
          appearance="subtle"
          icon={<MenuIcon />}
          aria-label="Navigation"
          aria-expanded={isOpen}
          aria-controls="navigation"
          onClick={() => setIsOpen(!isOpen)}
          onKeyDown={closeOnEscape}
        />
        <span className={styles.brand}>
          <span className={styles.mark}>
            <Mark />
          </span>
          <span className={styles.words}>
            <span className={styles.product}>Postern </span>Admin center
          </span>
        </span>
        <div className={styles.end}>
          {me.data !== undefined && <span className={styles.who}>{me.data.displayName}</span>}
          <Button as="a" className={styles.barButton} appearance="subtle" href="/">
            My Apps
          </Button>
          <form method="post" action="/.postern/sign-out">
            <Button className={styles.barButton} type="submit">
              Sign out
            </Button>
          </form>
        </div>
      </header>
      <div className={styles.body}>
        <Navigation isOpen={isOpen} onKeyDown={closeOnEscape} />
        <main className={styles.main} id="content" ref={main} tabIndex={-1}>
          {me.isPending && <Loading what="your account" />}
          {me.isError && me.data === undefined && (
            <Failure error={me.error} what="Your account cannot be read." retry={() => void me.refetch()} />
          )}
          {me.data !== undefined && <Guarded me={me.data} />}
        </main>
      </div>
    </>
  );
}

/** The page, or what is missing to see it. */
function Guarded({ me }: { readonly me: Me }) {
  const needed = useMatches({
    select: matches => matches.map(match => match.staticData.needs).findLast(role => role !== undefined),
  });
  if (needed !== undefined && !holdsRole(me, needed)) return <NeedsRole me={me} needed={needed} />;
  return <Outlet />;
}

const places = [
  { heading: 'Applications', items: [{ to: '/applications', name: 'All applications' }] },
  {
    heading: 'Connectors',
    items: [
      { to: '/connectors', name: 'All connectors' },
      { to: '/connector-groups', name: 'Connector groups' },
      { to: '/enrolment-tokens', name: 'Enrolment tokens' },
      { to: '/requirements', name: 'Names and ports' },
      { to: '/certificate-authorities', name: 'Certificate authorities' },
    ],
  },
  {
    heading: 'Domains',
    items: [
      { to: '/domains', name: 'Custom domains' },
      { to: '/certificates', name: 'Certificates' },
    ],
  },
  { heading: 'Users', items: [{ to: '/users', name: 'All users' }] },
] as const;

interface NavigationProps {
  readonly isOpen: boolean;
  readonly onKeyDown: (event: KeyboardEvent) => void;
}

function Navigation({ isOpen, onKeyDown }: NavigationProps) {
  const styles = useStyles();
  return (
    <nav
      id="navigation"
      aria-label="Admin center"
      className={mergeClasses(styles.navigation, isOpen && styles.open)}
      onKeyDown={onKeyDown}
    >
      {places.map(({ heading, items }) => (
        <div key={heading} className={styles.group}>
          <h2 className={styles.heading}>{heading}</h2>
          <ul className={styles.list}>
            {items.map(({ to, name }) => (
              <li key={to}>
                <Link className={styles.item} to={to}>
                  {name}
                </Link>
              </li>
            ))}
          </ul>
        </div>
      ))}
    </nav>
  );
}
