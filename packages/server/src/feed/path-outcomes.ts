import { z } from 'zod';

const text = z.string().max(256);

/** What a relay saw last of the way to an application. Times in milliseconds since the epoch. */
const pathOutcome = z.object({
  applicationId: text,
  /** Why the last request came to no answer of the backend, and where; null where it came to one. */
  failure: z.object({ code: text, hop: text }).nullable(),
  /** Since when it has been so, without an exception that was seen. */
  since: z.number(),
  /** Of the last request. */
  at: z.number(),
});
export type PathOutcome = z.infer<typeof pathOutcome>;

/** A page of a list has no more applications, and a line of the feed has room for as many. */
export const maxPathOutcomes = 1_000;

export const pathOutcomes = z.array(pathOutcome).max(maxPathOutcomes);
