import { z } from 'zod';

/** An id in a path or a body. */
export const id = z.uuid().toLowerCase();

/** What every list takes. */
export const collectionQuery = z.strictObject({
  $top: z.coerce
    .number()
    .int()
    .min(1)
    .max(999)
    .default(100)
    .meta({ description: 'Items on a page, 1 to 999.' }),
  $skiptoken: z
    .string()
    .max(2048)
    .optional()
    .meta({ description: 'From @odata.nextLink; to be used as it is.' }),
  $filter: z.string().max(1024).optional().meta({
    description:
      "property eq 'value', startswith(property,'value') or contains(property,'value'); up to four with \"or\" in between.",
  }),
});
export type CollectionQuery = z.infer<typeof collectionQuery>;

export interface Collection<Item> {
  value: Item[];
  '@odata.nextLink'?: string;
}

/** One page of a list. `@odata.nextLink` is the address of the next page, absent on the last one. */
export function collection<Item extends z.ZodType>(item: Item) {
  return z.object({ value: z.array(item), '@odata.nextLink': z.string().optional() });
}

/**
 * The body of a `…/$ref` request: the address of the object to refer to. Its last segment is the id, with or without
 * parentheses around it; what stands before it is not looked at, so that addresses of Microsoft Graph are understood.
 */
export const reference = z
  .strictObject({ '@odata.id': z.string().max(2048) })
  .meta({ id: 'Reference', examples: [{ '@odata.id': 'https://portal.example.com/api/v1.0/users/{id}' }] });
export type Reference = z.infer<typeof reference>;

/** The id that a reference names, or null where it names none. */
export function referencedId(body: Reference): string | null {
  const last = /([0-9A-Za-z-]{36})'?\)?\/?$/.exec(body['@odata.id'])?.[1];
  const parsed = id.safeParse(last);
  return parsed.success ? parsed.data.toLowerCase() : null;
}
