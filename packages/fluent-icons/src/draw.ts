import { makeStyles, mergeClasses } from '@griffel/react';
import { type ComponentType, createElement, Fragment, type SVGProps } from 'react';

/** What Fluent's components give their icons. */
interface IconProps extends SVGProps<SVGSVGElement> {
  /** For those that are both: which of the two is drawn. */
  readonly filled?: boolean;
  readonly title?: string;
  readonly primaryFill?: string;
}

export type Icon = ComponentType<IconProps>;

/** Class names by which Fluent's components find the two halves of an icon that is both. */
export const iconFilledClassName = 'fui-Icon-filled';
export const iconRegularClassName = 'fui-Icon-regular';

/**
 * Makes an icon of one line.
 *
 * @param path In a square of 20 units.
 * @param size Pixels; as large as the text around it where left out.
 */
export function drawIcon(
  path: string,
  { size, isBold = false }: { size?: number; isBold?: boolean } = {},
): Icon {
  return ({ filled: _filled, title, primaryFill = 'currentColor', ...props }) => {
    const isNamed = title !== undefined || props['aria-label'] !== undefined;
    return createElement(
      'svg',
      {
        width: size ?? '1em',
        height: size ?? '1em',
        viewBox: '0 0 20 20',
        fill: 'none',
        stroke: primaryFill,
        strokeWidth: isBold ? 2 : 1.5,
        strokeLinecap: 'round',
        strokeLinejoin: 'round',
        'data-fui-icon': '',
        ...(isNamed ? { role: 'img', 'aria-label': title } : { 'aria-hidden': true }),
        ...props,
      },
      createElement('path', { d: path }),
    );
  };
}

const useStyles = makeStyles({ hidden: { display: 'none' }, shown: { display: 'inline' } });

/** Joins two icons to one that changes between them, by its property or by the class names above. */
export function bundleIcon(Filled: Icon, Regular: Icon): Icon {
  return ({ filled = false, className, ...props }) => {
    const styles = useStyles();
    const half = (isShown: boolean, name: string) =>
      mergeClasses(isShown ? styles.shown : styles.hidden, name, className);
    return createElement(
      Fragment,
      null,
      createElement(Filled, { ...props, className: half(filled, iconFilledClassName) }),
      createElement(Regular, { ...props, className: half(!filled, iconRegularClassName) }),
    );
  };
}
