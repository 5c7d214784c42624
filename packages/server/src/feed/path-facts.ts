import { z } from 'zod';

/** A request that the service sends to an application to see how it fares. */
export interface PathTest {
  readonly applicationId: string;
  /** The external host that is asked for, lower case. */
  readonly host: string;
  /** Path and query, beginning with `/`. */
  readonly target: string;
  /** In whose name. */
  readonly userId: string;
  /** Where that person's request came from. */
  readonly clientAddress: string;
}

const text = z.string().max(1_024);
const ms = z.number().min(0).nullable();

/** How long each hop took, in milliseconds with one decimal; null where it is not known or was not come to. */
const hopTimes = z.object({
  /** Parsing, admission, translation. */
  edge: ms,
  /** Waiting for a connector, attempts that failed included. */
  queue: ms,
  /** To the connector and back. */
  tunnel: ms,
  dns: ms,
  connect: ms,
  tls: ms,
  /** From the request's arrival at the backend to the first byte of its answer, as the connector sees it. */
  backend: ms,
});
export type HopTimes = z.infer<typeof hopTimes>;

/** What became of a test, as the relay saw it. Connectors and backends choose some of the texts in it, hence their bounds. */
export const pathFacts = z.object({
  /** By which the logs of service, connector and backend name the request. */
  requestId: text,
  /** Why it was not let in; null where it was. What follows was then asked in nobody's name. */
  refusal: text.nullable(),
  /** What broke on the way: a code of the edge, or `no_answer_in_time`; null where an answer came. */
  failure: z.object({ code: text, hop: text, detail: text }).nullable(),
  /** Whoever carried it last; null where it came to no connector. */
  connectorId: text.nullable(),
  /** Of the one of several backends that was asked last, such as `http://10.0.0.6:8080`; absent where there is but one. */
  backendOrigin: text.optional(),
  /** Whether the connector said anything of its connection to the backend. */
  wasOpened: z.boolean(),
  /** `address:port` that the connector dialled; null where it did not say. */
  address: text.nullable(),
  /** 0 where no answer came. */
  status: z.number(),
  /** Of the answer, as a browser gets them; null where it has none. */
  location: text.nullable(),
  contentType: text.nullable(),
  /** Of the answer's content, as far as it was read. */
  bytes: z.number(),
  times: hopTimes,
  /** From the first byte of the answer to its end; null before. */
  contentMs: ms,
  totalMs: z.number().min(0),
});
export type PathFacts = z.infer<typeof pathFacts>;
