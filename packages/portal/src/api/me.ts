import type { Me } from '@postern/protocol/admin/directory';
import { queryOptions } from '@tanstack/react-query';
import { read } from './client.ts';

/** Who is signed in, with the roles they hold. */
export const meQuery = queryOptions({
  queryKey: ['me'],
  queryFn: ({ signal }) => read<Me>('/me', signal),
});
