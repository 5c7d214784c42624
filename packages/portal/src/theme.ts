import {
  type BrandVariants,
  createDarkTheme,
  createLightTheme,
  type Theme,
} from '@fluentui/react-components';
import { useSyncExternalStore } from 'react';

/** Gate green from nearly black to nearly white; 80 is the accent on light grounds, 110 the one on dark. */
const gateGreen: BrandVariants = {
  10: '#03110e',
  20: '#07231e',
  30: '#0a352d',
  40: '#0b4439',
  50: '#0b4d41',
  60: '#0b5548',
  70: '#0d6052',
  80: '#0f6b5c',
  90: '#24806f',
  100: '#3aa08d',
  110: '#4fc3ae',
  120: '#74d3c1',
  130: '#97ddd0',
  140: '#b5e7dd',
  150: '#d2f1ea',
  160: '#ebf8f5',
};

const shape: Partial<Theme> = {
  fontFamilyBase: 'system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "Liberation Sans", sans-serif',
  fontFamilyMonospace: 'ui-monospace, "Cascadia Mono", "Segoe UI Mono", "Liberation Mono", monospace',
  borderRadiusMedium: '8px',
  borderRadiusLarge: '8px',
  borderRadiusXLarge: '8px',
};

const light: Theme = {
  ...createLightTheme(gateGreen),
  ...shape,
  colorNeutralBackground1: '#ffffff',
  colorNeutralBackground2: '#faf9f7',
  colorNeutralForeground1: '#1b1f24',
  colorNeutralForeground2: '#3a4149',
  colorNeutralForeground3: '#5a6169',
  colorNeutralForeground4: '#5a6169',
  colorNeutralStroke1: '#c9c5be',
  colorNeutralStroke2: '#e3e0da',
  colorNeutralStroke3: '#e3e0da',
  colorPaletteGreenForeground1: '#1e7b3a',
  colorPaletteRedForeground1: '#b3261e',
  colorPaletteMarigoldForeground1: '#8a5a00',
};

const dark: Theme = {
  ...createDarkTheme(gateGreen),
  ...shape,
  colorNeutralBackground1: '#1d2226',
  colorNeutralBackground1Hover: '#272d32',
  colorNeutralBackground1Pressed: '#14171a',
  colorNeutralBackground1Selected: '#272d32',
  colorNeutralBackground2: '#14171a',
  colorNeutralForeground1: '#ecebe8',
  colorNeutralForeground2: '#d3d2cf',
  colorNeutralForeground3: '#a4abb3',
  colorNeutralForeground4: '#a4abb3',
  colorNeutralStroke1: '#4a525a',
  colorNeutralStroke2: '#30363c',
  colorNeutralStroke3: '#30363c',
  colorBrandForeground1: gateGreen[110],
  colorBrandForegroundLink: gateGreen[110],
  colorBrandForegroundLinkHover: gateGreen[120],
  colorBrandForegroundLinkPressed: gateGreen[130],
  colorBrandBackground: gateGreen[110],
  colorBrandBackgroundHover: gateGreen[120],
  colorBrandBackgroundPressed: gateGreen[100],
  colorBrandBackgroundSelected: gateGreen[110],
  colorNeutralForegroundOnBrand: '#0c1f1b',
  colorPaletteGreenForeground1: '#6ccb87',
  colorPaletteRedForeground1: '#f2867e',
  colorPaletteMarigoldForeground1: '#e2b34b',
};

const darkPreference = matchMedia('(prefers-color-scheme: dark)');

/** The theme that the reader's system asks for, also when that changes. */
export function usePreferredTheme(): Theme {
  const isDark = useSyncExternalStore(
    notify => {
      darkPreference.addEventListener('change', notify);
      return () => darkPreference.removeEventListener('change', notify);
    },
    () => darkPreference.matches,
  );
  return isDark ? dark : light;
}
