import { doctorReport } from '@postern/protocol/doctor';
import { z } from 'zod';
import { backendReports } from './backend-reports.ts';
import type { RelayMessage } from './messages.ts';
import { pathFacts } from './path-facts.ts';
import { pathOutcomes } from './path-outcomes.ts';

const text = z.string().max(1_024);
const maxProofLength = 16_384;

const tunnelReport = z.object({
  tunnelId: text,
  connectorId: text,
  externalIp: text,
  machineName: text,
  version: text,
  os: text,
  since: z.number(),
  isUnanswered: z.boolean().optional(),
});

/** What a relay may say. Connectors choose some of the texts in it, hence their bounds. */
const relayMessage: z.ZodType<RelayMessage> = z.discriminatedUnion('type', [
  z.object({ type: z.literal('hello'), processId: z.number() }),
  z.object({ type: z.literal('applied'), sequence: z.number() }),
  z.object({ type: z.literal('find-session'), question: z.number(), idHash: text, host: text }),
  z.object({
    type: z.literal('renew'),
    question: z.number(),
    connectorId: text,
    certificateSha256: text,
    proofCertificate: z.string().max(maxProofLength),
  }),
  z.object({ type: z.literal('examined'), question: z.number(), report: doctorReport.nullable() }),
  z.object({ type: z.literal('credential-used'), credentialId: text }),
  z.object({ type: z.literal('outcomes-reported'), question: z.number(), outcomes: pathOutcomes }),
  z.object({ type: z.literal('tested'), question: z.number(), facts: pathFacts.nullable() }),
  z.object({
    type: z.literal('backends-reported'),
    question: z.number(),
    reports: backendReports.nullable(),
  }),
  z.object({ type: z.literal('leave'), connectorId: text }),
  z.object({ type: z.literal('tunnel-up'), tunnel: tunnelReport }),
  z.object({ type: z.literal('tunnel-probe'), tunnelId: text, isAnswered: z.boolean() }),
  z.object({
    type: z.literal('refused'),
    connectorId: text,
    reason: text,
    detail: text,
    externalIp: text,
  }),
  z.object({ type: z.literal('anchors-kept'), connectorId: text, anchors: z.array(text).max(16) }),
  z.object({ type: z.literal('tunnel-down'), tunnelId: text, connectorId: text, reason: text }),
]);

/** Reads one line of a relay; null where it is no message that is known. */
export function parseRelayMessage(line: string): RelayMessage | null {
  try {
    return relayMessage.safeParse(JSON.parse(line)).data ?? null;
  } catch {
    return null;
  }
}
