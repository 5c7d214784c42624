/**
 * Each sign-in that this host has begun in a browser leaves a `__Host-` cookie there, named after it. A sibling host
 * can plant the provider's own cookies for a path, and so hand somebody a sign-in that another person began; it cannot
 * plant a `__Host-` cookie (RFC 6265bis §4.1.3.2), and a sign-in goes on only where its cookie is.
 */
const prefix = '__Host-postern-flow-';

/** More sign-ins than this at once in one browser are forgotten, the oldest first. */
const maxFlows = 8;

export function flowCookieName(uid: string): string {
  return `${prefix}${uid}`;
}

/** Whether a request's Cookie field says that this browser began a sign-in. */
export function hasFlowCookie(cookieField: string | undefined, uid: string): boolean {
  return readFlows(cookieField).some(flow => flow.name === flowCookieName(uid));
}

/** The names of cookies that must go so that one more sign-in can be begun. */
export function surplusFlowCookies(cookieField: string | undefined): readonly string[] {
  const flows = readFlows(cookieField).sort((a, b) => b.startedAt - a.startedAt);
  return flows.slice(maxFlows - 1).map(flow => flow.name);
}

function readFlows(cookieField: string | undefined): { name: string; startedAt: number }[] {
  return (cookieField ?? '').split(';').flatMap(pair => {
    const match = /^\s*(__Host-postern-flow-[\w-]{1,64})=(\d{1,15})\s*$/.exec(pair);
    return match ? [{ name: match[1], startedAt: Number(match[2]) }] : [];
  });
}
