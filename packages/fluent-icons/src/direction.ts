import { createContext } from 'react';

interface IconDirection {
  readonly textDirection?: 'ltr' | 'rtl';
}

/** Which way the text runs around icons; ours look the same both ways. */
export const IconDirectionContextProvider = createContext<IconDirection | undefined>(undefined).Provider;
