import type { CustomFetch } from 'openid-client';
import { Agent, fetch } from 'undici';

/**
 * A fetch that reaches the control process over its own socket, as the relay does: plain HTTP with the public host,
 * and the scheme that the browser used in X-Forwarded-Proto.
 */
export function controlFetch(socketPath: string): { readonly fetch: CustomFetch; close(): Promise<void> } {
  const agent = new Agent({ connect: { socketPath }, connections: 4 });
  return {
    close: () => agent.close(),
    fetch: async (url, { method, headers, body, signal }) => {
      const target = new URL(url);
      target.protocol = 'http:';
      const response = await fetch(target, {
        method,
        headers: { ...headers, 'x-forwarded-proto': 'https' },
        body: body instanceof URLSearchParams ? body.toString() : (body as string | undefined),
        signal,
        redirect: 'manual',
        dispatcher: agent,
      });
      const { status, statusText } = response;
      return new Response(await response.arrayBuffer(), {
        status,
        statusText,
        headers: Object.fromEntries(response.headers),
      });
    },
  };
}
