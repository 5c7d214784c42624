/** The build makes the stylesheet from it. */
declare module '*.css';
