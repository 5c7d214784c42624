/** One message as Node's strict parser reads it. Field lists are name, value, name, value …, one char a byte. */
export interface NodeMessage {
  method: string;
  target: string;
  status: number;
  minorVersion: number;
  fields: string[];
  body: Buffer;
  trailers: string[];
  isUpgrade: boolean;
  keepAlive: boolean;
  isComplete: boolean;
}

/** What Node's strict parser makes of a connection's bytes: messages in order, and why it stopped, if it did. */
export interface NodeReading {
  messages: NodeMessage[];
  /** Code of the parser's error, such as `HPE_INVALID_HEADER_TOKEN`. */
  error: string | undefined;
}

/**
 * Reads bytes with the parser behind `node:http`, with every leniency off: the judge of the fuzzer and the conformance
 * tables. Not for the product.
 *
 * @param requestMethods For responses: the method that each final response answers, in order; GET beyond the list.
 * @param atEnd The connection is closed after the bytes.
 */
export function readWithNode(
  kind: 'request' | 'response',
  bytes: Buffer,
  requestMethods: readonly string[] = [],
  atEnd = true,
): NodeReading {
  const parser = new HTTPParser();
  parser.initialize(kind === 'request' ? HTTPParser.REQUEST : HTTPParser.RESPONSE, {}, maxHeadBytes, 0);
  const messages: NodeMessage[] = [];
  let early: string[] = [];
  let earlyTarget = '';
  let finals = 0;
  parser[onHeaders] = (fields, target) => {
    early = early.concat(fields);
    earlyTarget += target;
  };
  parser[onHeadersComplete] = (_major, minor, fields, method, target, status, _reason, upgrade, alive) => {
    const message: NodeMessage = {
      method: method === undefined ? '' : (methodNames.get(method) ?? `method ${method}`),
      target: target ?? earlyTarget,
      status: status ?? 0,
      minorVersion: minor,
      fields: fields ?? early,
      body: Buffer.alloc(0),
      trailers: [],
      isUpgrade: upgrade,
      keepAlive: alive,
      isComplete: false,
    };
    early = [];
    earlyTarget = '';
    messages.push(message);
    if (kind === 'request' || message.status < 200) return 0;
    return (requestMethods[finals++] ?? 'GET') === 'HEAD' ? skipBody : 0;
  };
  parser[onBody] = part => {
    const message = messages[messages.length - 1];
    message.body = Buffer.concat([message.body, part]);
  };
  parser[onMessageComplete] = () => {
    const message = messages[messages.length - 1];
    message.trailers = early;
    message.isComplete = true;
    early = [];
    // With trailers the target comes again.
    earlyTarget = '';
  };

  try {
    const result = parser.execute(bytes);
    if (result instanceof Error) return { messages, error: codeOf(result) };
    const last = messages[messages.length - 1];
    const isBeyondUpgrade = last?.isUpgrade && last.isComplete;
    const final = atEnd && !isBeyondUpgrade ? parser.finish() : undefined;
    return { messages, error: final instanceof Error ? codeOf(final) : undefined };
  } finally {
    // Nothing collects it: the fuzzer's ten million would take all memory there is.
    parser.close();
  }
}

const maxHeadBytes = 1 << 24;
const skipBody = 1;

// The callbacks' keys are numbers; their order is part of the parser's interface since Node 0.12.
const onHeaders = 1;
const onHeadersComplete = 2;
const onBody = 3;
const onMessageComplete = 4;

interface Parser {
  initialize(type: number, resource: object, maxHeaderSize: number, leniency: number): void;
  execute(bytes: Buffer): number | Error;
  finish(): undefined | Error;
  close(): void;
  [onHeaders]: (fields: string[], target: string) => void;
  [onHeadersComplete]: (
    major: number,
    minor: number,
    fields: string[] | undefined,
    method: number | undefined,
    target: string | undefined,
    status: number | undefined,
    reason: string | undefined,
    isUpgrade: boolean,
    keepAlive: boolean,
  ) => number;
  [onBody]: (part: Buffer) => void;
  [onMessageComplete]: () => void;
}

interface ParserModule {
  readonly HTTPParser: { new (): Parser; readonly REQUEST: number; readonly RESPONSE: number };
  readonly methods: readonly string[];
}

// Built in but without types, and kept for the many programs that use it.
const { HTTPParser, methods } = process.getBuiltinModule('_http_common') as unknown as ParserModule;

// The parser gives a method as a number, in an order that it does not tell.
const methodNames = new Map(methods.map(name => [methodNumber(name), name]));

function methodNumber(name: string): number | undefined {
  const parser = new HTTPParser();
  parser.initialize(HTTPParser.REQUEST, {}, maxHeadBytes, 0);
  let found: number | undefined;
  parser[onHeadersComplete] = (_major, _minor, _fields, method) => {
    found = method;
    return 0;
  };
  parser.execute(Buffer.from(`${name} / HTTP/1.1\r\n\r\n`, 'latin1'));
  parser.close();
  return found;
}

function codeOf(error: Error): string {
  return 'code' in error ? String(error.code) : error.message;
}
