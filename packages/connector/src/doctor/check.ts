import type { CheckGroup } from '@postern/protocol/doctor';
import type { Check as CheckOf } from '@postern/protocol/doctor/check';
import type { DoctorContext } from './context.ts';

/** One thing that the connector's doctor looks at. */
export type Check = CheckOf<DoctorContext> & { readonly id: `${CheckGroup}.${string}` };
