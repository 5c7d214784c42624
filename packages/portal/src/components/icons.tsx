import type { ReactNode } from 'react';

function Icon({ children, size = 16 }: { readonly children: ReactNode; readonly size?: number }) {
  return (
    <svg
      width={size}
      height={size}
      viewBox="0 0 16 16"
      fill="none"
      stroke="currentColor"
      strokeWidth="1.75"
      strokeLinecap="round"
      strokeLinejoin="round"
      aria-hidden="true"
      focusable="false"
    >
      {children}
    </svg>
  );
}

export const CheckIcon = () => (
  <Icon>
    <circle cx="8" cy="8" r="6.5" />
    <path d="m5.2 8.2 2 2 3.6-4.2" />
  </Icon>
);

export const PauseIcon = () => (
  <Icon>
    <circle cx="8" cy="8" r="6.5" />
    <path d="M5 8h6" />
  </Icon>
);

export const CrossIcon = () => (
  <Icon>
    <circle cx="8" cy="8" r="6.5" />
    <path d="m5.8 5.8 4.4 4.4m0-4.4-4.4 4.4" />
  </Icon>
);

export const WarningIcon = () => (
  <Icon>
    <path d="M8 2.2 14.5 13.5h-13z" />
    <path d="M8 6.5v3.2m0 2v.05" />
  </Icon>
);

export const CopyIcon = () => (
  <Icon>
    <rect x="5.5" y="5.5" width="8" height="8" rx="1.5" />
    <path d="M10.5 3.2A1.2 1.2 0 0 0 9.3 2H3.7A1.7 1.7 0 0 0 2 3.7v5.6a1.2 1.2 0 0 0 1.2 1.2" />
  </Icon>
);

export const MenuIcon = () => (
  <Icon size={20}>
    <path d="M2.5 4h11m-11 4h11m-11 4h11" />
  </Icon>
);

/** The mark of the product: an arched door, slightly open. */
export const Mark = () => (
  <svg viewBox="0 0 24 24" width="24" height="24" fill="currentColor" aria-hidden="true" focusable="false">
    <path d="M3 22V10.5a9 9 0 0 1 18 0V22h-3V10.5a6 6 0 0 0-9.2-5.07L15 9.2V22l-7.5-2.6V10.5c0-1 .25-1.95.7-2.8L6.5 8.2a6 6 0 0 0-.5 2.3V22z" />
  </svg>
);
