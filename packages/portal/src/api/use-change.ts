import { type QueryKey, type UseMutationOptions, useMutation, useQueryClient } from '@tanstack/react-query';

/**
 * A change at the service. Whatever became of it, what was read before under one of the keys is read again, and the change
 * is pending until that is there.
 *
 * @param more `onSuccess` is called before anything is read again; `gcTime: 0` forgets what was sent and answered at once.
 */
export function useChange<Input = void, Answer = void>(
  mutationFn: (input: Input) => Promise<Answer>,
  staleKeys: readonly QueryKey[],
  more: Pick<UseMutationOptions<Answer, Error, Input>, 'onSuccess' | 'gcTime'> = {},
) {
  const client = useQueryClient();
  return useMutation({
    ...more,
    mutationFn,
    onSettled: () => Promise.all(staleKeys.map(queryKey => client.invalidateQueries({ queryKey }))),
  });
}
