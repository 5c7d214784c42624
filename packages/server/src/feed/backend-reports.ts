import { z } from 'zod';

const text = z.string().max(1_024);

/** What a relay knows of one backend through one connector. Times in milliseconds since the epoch. */
const backendReport = z.object({
  /** Origin of the backend, such as `http://10.0.0.5:8080`. */
  origin: text,
  connectorId: text,
  /** `unknown`: nothing is known against it, and no probe has said that it is well. */
  state: z.enum(['healthy', 'unhealthy', 'unknown']),
  /** Null for `unknown`. */
  since: z.number().nullable(),
  /** Of this state or, where it is healthy, of the one before; null where none is known. */
  lastFailure: z.object({ code: text, hop: text, detail: text, at: z.number() }).nullable(),
});
export type BackendReport = z.infer<typeof backendReport>;

/** More would not fit into a line of the feed, and nobody reads so many. */
export const maxBackendReports = 250;

export const backendReports = z.array(backendReport).max(maxBackendReports);
