import grpc from '@grpc/grpc-js';

/** A gRPC server as `@grpc/grpc-js` makes it, and a client for it: a service of four methods whose messages are bytes. */

const bytes = (value: Buffer) => value;
const codec = {
  requestSerialize: bytes,
  requestDeserialize: bytes,
  responseSerialize: bytes,
  responseDeserialize: bytes,
};

const service = {
  Unary: { path: '/postern.Test/Unary', requestStream: false, responseStream: false, ...codec },
  Download: { path: '/postern.Test/Download', requestStream: false, responseStream: true, ...codec },
  Upload: { path: '/postern.Test/Upload', requestStream: true, responseStream: false, ...codec },
  Talk: { path: '/postern.Test/Talk', requestStream: true, responseStream: true, ...codec },
} satisfies grpc.ServiceDefinition;

/** What messages a call is given, and what it was told with them. */
export interface GrpcServer extends AsyncDisposable {
  readonly port: number;
  /** Resolves when a call has come that is never answered. */
  readonly opened: Promise<void>;
  /** Resolves when the server has learnt that a call was cancelled. */
  readonly cancelled: Promise<void>;
}

/** @param tls PEM of certificate and key; in the clear without. */
export async function startGrpcServer(tls?: {
  readonly cert: string;
  readonly key: string;
}): Promise<GrpcServer> {
  const { promise: opened, resolve: onOpened } = Promise.withResolvers<void>();
  const { promise: cancelled, resolve: onCancelled } = Promise.withResolvers<void>();
  const server = new grpc.Server({ 'grpc.max_receive_message_length': 16 * 1024 * 1024 });
  const noteCancel = (call: { on(event: 'cancelled', listener: () => void): unknown }) =>
    call.on('cancelled', onCancelled);
  server.addService(service, {
    Unary(call: grpc.ServerUnaryCall<Buffer, Buffer>, callback: grpc.sendUnaryData<Buffer>) {
      const text = call.request.toString('latin1', 0, 20);
      if (text === 'never') return void noteCancel(call);
      if (text === 'fail') {
        const metadata = new grpc.Metadata();
        metadata.set('x-why', 'asked');
        return callback({ code: grpc.status.FAILED_PRECONDITION, details: 'as asked: ä', metadata });
      }
      const head = new grpc.Metadata();
      for (const [name, value] of Object.entries(call.metadata.getMap())) head.set(`seen-${name}`, value);
      call.sendMetadata(head);
      const trailers = new grpc.Metadata();
      trailers.set('x-length', String(call.request.length));
      trailers.set('x-digest-bin', Buffer.from([0, 1, 254, 255]));
      callback(null, call.request, trailers);
    },
    Download(call: grpc.ServerWritableStream<Buffer, Buffer>) {
      const [count = 0, size = 0] = call.request.toString().split(' ').map(Number);
      if (count === 0) {
        noteCancel(call.on('error', () => {}));
        return onOpened();
      }
      void sendAll(call, count, size);
    },
    Upload(call: grpc.ServerReadableStream<Buffer, Buffer>, callback: grpc.sendUnaryData<Buffer>) {
      let length = 0;
      call.on('data', (message: Buffer) => {
        length += message.length;
      });
      call.on('end', () => callback(null, Buffer.from(String(length))));
      call.on('error', () => {});
    },
    Talk(call: grpc.ServerDuplexStream<Buffer, Buffer>) {
      noteCancel(call);
      call.on('data', (message: Buffer) => call.write(Buffer.concat([Buffer.from('re: '), message])));
      call.on('end', () => call.end());
      call.on('error', () => {});
    },
  });
  const credentials =
    tls === undefined
      ? grpc.ServerCredentials.createInsecure()
      : grpc.ServerCredentials.createSsl(null, [
          { cert_chain: Buffer.from(tls.cert), private_key: Buffer.from(tls.key) },
        ]);
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', credentials, (error, bound) => (error ? reject(error) : resolve(bound))),
  );
  return {
    port,
    opened,
    cancelled,
    async [Symbol.asyncDispose]() {
      server.forceShutdown();
    },
  };
}

async function sendAll(call: grpc.ServerWritableStream<Buffer, Buffer>, count: number, size: number) {
  for (let index = 0; index < count; index++) {
    if (!call.write(Buffer.alloc(size, index))) await new Promise(resolve => call.once('drain', resolve));
  }
  call.end();
}

/** The methods of {@link service}, of a client. */
export class GrpcClient implements Disposable {
  readonly #client: grpc.Client;

  /** @param target Address and port to connect to; `host` is who is asked for there. */
  constructor(target: string, host: string, ca: string) {
    this.#client = new grpc.Client(target, grpc.credentials.createSsl(Buffer.from(ca)), {
      'grpc.ssl_target_name_override': host,
      'grpc.default_authority': host,
      'grpc.max_receive_message_length': 16 * 1024 * 1024,
      'grpc.max_send_message_length': 16 * 1024 * 1024,
    });
  }

  unary(
    message: Buffer,
    metadata = new grpc.Metadata(),
    options: grpc.CallOptions = {},
  ): Promise<GrpcAnswer> {
    const { promise, resolve, reject } = Promise.withResolvers<GrpcAnswer>();
    let head = new grpc.Metadata();
    let answer = Buffer.alloc(0);
    const call = this.#client.makeUnaryRequest<Buffer, Buffer>(
      service.Unary.path,
      bytes,
      bytes,
      message,
      metadata,
      options,
      (error, value) => {
        if (error) reject(error);
        else answer = value as Buffer<ArrayBuffer>;
      },
    );
    call.on('metadata', received => {
      head = received;
    });
    call.on('status', ({ metadata: trailers }) => resolve({ answer, head, trailers }));
    return promise;
  }

  download(count: number, size: number): grpc.ClientReadableStream<Buffer> {
    const message = Buffer.from(`${count} ${size}`);
    return this.#client.makeServerStreamRequest<Buffer, Buffer>(service.Download.path, bytes, bytes, message);
  }

  /** Sends messages one after the other and gives the answer. */
  async upload(messages: Iterable<Buffer>): Promise<string> {
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    const call = this.#client.makeClientStreamRequest<Buffer, Buffer>(
      service.Upload.path,
      bytes,
      bytes,
      (error, value) => (error ? reject(error) : resolve(String(value))),
    );
    for (const message of messages) {
      if (!call.write(message)) await new Promise(resume => call.once('drain', resume));
    }
    call.end();
    return promise;
  }

  talk(): grpc.ClientDuplexStream<Buffer, Buffer> {
    return this.#client.makeBidiStreamRequest<Buffer, Buffer>(service.Talk.path, bytes, bytes);
  }

  [Symbol.dispose](): void {
    this.#client.close();
  }
}

interface GrpcAnswer {
  readonly answer: Buffer;
  readonly head: grpc.Metadata;
  readonly trailers: grpc.Metadata;
}
