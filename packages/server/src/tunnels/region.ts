/** A region as it is compared: administrators write the same one in several ways. */
export function normalRegion(text: string): string {
  return text.trim().toLowerCase();
}
