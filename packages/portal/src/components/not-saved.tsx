import { isOvertaken } from '../api/client.ts';
import { Failure } from './failure.tsx';
import { Notice } from './notice.tsx';

/** Why something of an application was not saved; a change by somebody else, which has been read meanwhile, is one of the reasons. */
export function NotSaved({ error }: { readonly error: Error | null }) {
  if (error === null) return null;
  if (!isOvertaken(error)) return <Failure error={error} what="It was not saved." />;
  return (
    <Notice intent="warning">
      Somebody else has changed this application meanwhile. Nothing was saved; save again to do it all the
      same.
    </Notice>
  );
}
