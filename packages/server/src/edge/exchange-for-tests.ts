import { RouteTable } from '../routes/route-table.ts';
import type { BackendStream } from './backend-stream.ts';
import { type Connector, Exchange, type ResponseSink } from './exchange.ts';
import { Load } from './loads.ts';

const ignore = () => {};

/** The other end of a backend's stream: a test calls the callbacks, and reads what was granted. */
export class StreamForTests implements BackendStream {
  onData: (bytes: Buffer) => void = ignore;
  onEnd = ignore;
  onError: (error: Error) => void = ignore;
  onDrain = ignore;
  write = () => true;
  end = ignore;
  isReset = false;
  consumedBytes = 0;
  reset(): void {
    this.isReset = true;
  }
  consumed(length: number): void {
    this.consumedBytes += length;
  }
}

/** A GET without a body, of nobody, on its way to the service's own pages. */
export function exchangeForTests(sink: ResponseSink, connector: Connector = { connect: ignore }): Exchange {
  const routes = new RouteTable([], { domain: 'example.com', portSuffix: '' });
  return new Exchange(
    { connector, open: new Set(), maxRetryBodyBytes: 0, now: () => 0, onEnd: ignore },
    {
      route: routes.findHost('login.example.com')!.find('/')!,
      session: null,
      method: 'GET',
      requestId: 'r',
      clientAddress: '192.0.2.1',
      claim: { client: new Load(), application: null, ofApplication: null },
      links: routes.links,
      head: Buffer.from('GET / HTTP/1.1\r\nHost: a\r\n\r\n'),
      hasBody: false,
      isUpgrade: false,
      isPersonalPage: false,
      cors: null,
      authenticatesConnection: false,
      pins: null,
      startedAt: 0,
      timing: null,
      sink,
    },
  );
}
