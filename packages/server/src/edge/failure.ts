import type { Http1Error } from '../http1/error.ts';

/** The hops of a request, as failure pages and logs name them. */
export type Hop = 'client' | 'edge' | 'tunnel' | 'connector' | 'backend';

interface FailureKind {
  readonly status: number;
  readonly hop: Hop;
  readonly title: string;
  /** What is true. */
  readonly sentence: string;
  /** What the person can do. */
  readonly advice: string;
}

/** Every way a request can fail at the edge: the one place where a code becomes a status and words. */
export const failures = {
  bad_request: {
    status: 400,
    hop: 'client',
    title: 'This request is not valid',
    sentence: 'The browser or program sent a request that the service does not accept.',
    advice: 'Open the page again from its start. If a program sent it, its author needs the code below.',
  },
  not_allowed: {
    status: 403,
    hop: 'edge',
    title: 'You do not have access to this application',
    sentence: 'You are signed in, but this application is not assigned to you.',
    advice: 'Ask your administrator to assign it to you.',
  },
  address_not_allowed: {
    status: 403,
    hop: 'edge',
    title: 'This network is not allowed here',
    sentence: 'Your request came from an address that may not use this application.',
    advice: 'Use the network that your organisation has opened for it, or ask your administrator.',
  },
  application_disabled: {
    status: 403,
    hop: 'edge',
    title: 'This application is switched off',
    sentence: 'An administrator has switched this application off.',
    advice: 'Ask your administrator when it will be back.',
  },
  foreign_origin: {
    status: 403,
    hop: 'client',
    title: 'This connection came from another site',
    sentence: 'A page of another site tried to open a WebSocket to this application in your name.',
    advice: 'Open the application itself and try again.',
  },
  not_found: {
    status: 404,
    hop: 'client',
    title: 'Nothing is published here',
    sentence: 'No application is published at this address.',
    advice: 'Check the address, or find the application in My Apps.',
  },
  method_not_allowed: {
    status: 405,
    hop: 'client',
    title: 'This method is not allowed',
    sentence: 'The service does not relay CONNECT and TRACE requests.',
    advice: 'Use the application through its pages.',
  },
  request_timeout: {
    status: 408,
    hop: 'client',
    title: 'The request took too long to arrive',
    sentence: 'The connection to the service was too slow to send the whole request in time.',
    advice: 'Check your network and try again.',
  },
  target_too_long: {
    status: 414,
    hop: 'client',
    title: 'This address is too long',
    sentence: 'The address of the page is longer than the service accepts.',
    advice: 'Open the application from its start page.',
  },
  misdirected: {
    status: 421,
    hop: 'edge',
    title: 'This name is not served on this connection',
    sentence: 'The connection was made for another name than the request asks for.',
    advice: 'Try again; the browser will open a new connection.',
  },
  too_many_requests: {
    status: 429,
    hop: 'client',
    title: 'Too many requests',
    sentence: 'More requests came from your address than are allowed in a minute.',
    advice: 'Wait a moment, then try again. Programs find the time to wait in Retry-After.',
  },
  too_many_open: {
    status: 429,
    hop: 'client',
    title: 'Too many requests at a time',
    sentence: 'More requests from your address are under way than are allowed at a time.',
    advice: 'Close pages that you do not need, wait a moment, then try again.',
  },
  too_many_failures: {
    status: 429,
    hop: 'client',
    title: 'Too many wrong credentials',
    sentence: 'Programs at your address have presented wrong credentials too often.',
    advice:
      'Correct the credentials, then wait as long as Retry-After says. People who sign in are not held up.',
  },
  application_busy: {
    status: 429,
    hop: 'edge',
    title: 'The application is busy',
    sentence: 'The application gets as many requests as it may at a time.',
    advice: 'Wait a moment, then try again.',
  },
  service_busy: {
    status: 429,
    hop: 'edge',
    title: 'The service is busy',
    sentence: 'The service holds as many open connections to applications as it may.',
    advice: 'Wait a moment, then try again. If it stays, tell your administrator.',
  },
  head_too_large: {
    status: 431,
    hop: 'client',
    title: 'The request’s headers are too large',
    sentence: 'Cookies or other headers add up to more than the service accepts.',
    advice: 'Delete this site’s cookies and try again.',
  },
  internal: {
    status: 500,
    hop: 'edge',
    title: 'The service made a mistake',
    sentence: 'The request could not be handled because of an error in the service.',
    advice: 'Try again. If it stays, give your administrator the request id.',
  },
  bad_response: {
    status: 502,
    hop: 'backend',
    title: 'The application’s answer is not valid',
    sentence: 'The application answered, but not in valid HTTP.',
    advice: 'Tell the application’s owner; the request id helps.',
  },
  backend_closed: {
    status: 502,
    hop: 'backend',
    title: 'The application closed the connection',
    sentence: 'The application ended the connection before it answered.',
    advice: 'Try again. If it stays, tell the application’s owner.',
  },
  backend_refused: {
    status: 502,
    hop: 'backend',
    title: 'The application does not answer right now',
    sentence: 'The connector could not connect to the application.',
    advice: 'Try again in a moment. If it stays, tell your administrator.',
  },
  name_not_resolved: {
    status: 502,
    hop: 'backend',
    title: 'The application’s server was not found',
    sentence: 'The connector could not resolve the name of the application’s server.',
    advice: 'Tell your administrator: the internal URL or the connector’s DNS needs a look.',
  },
  backend_tls: {
    status: 502,
    hop: 'backend',
    title: 'The application’s certificate is not accepted',
    sentence: 'The connector could not make a secure connection to the application.',
    advice: 'Tell your administrator: the application’s certificate needs a look.',
  },
  backend_not_http2: {
    status: 502,
    hop: 'backend',
    title: 'The application does not speak HTTP/2',
    sentence: 'The connector reached the application, but it does not answer in HTTP/2, as it is set to.',
    advice: 'Tell your administrator: the application’s backend protocol needs a look.',
  },
  backend_reset: {
    status: 502,
    hop: 'backend',
    title: 'The application broke off the request',
    sentence: 'The application ended this request before it answered.',
    advice: 'Try again. If it stays, tell the application’s owner.',
  },
  backend_busy: {
    status: 503,
    hop: 'backend',
    title: 'The application takes no more requests right now',
    sentence: 'The application refused the request before it looked at it.',
    advice: 'Try again in a moment.',
  },
  dial_not_allowed: {
    status: 502,
    hop: 'connector',
    title: 'The connector may not reach this application',
    sentence: 'The connector’s own allow-list does not permit this application’s address.',
    advice: 'Tell your administrator: the allow-list stands in the connector’s settings.',
  },
  connector_busy: {
    status: 503,
    hop: 'connector',
    title: 'The connector is busy',
    sentence: 'The connector has as many connections open as it can serve.',
    advice: 'Try again in a moment.',
  },
  tunnel_lost: {
    status: 502,
    hop: 'tunnel',
    title: 'The connection to the private network was lost',
    sentence: 'The connector’s tunnel ended while your request was under way.',
    advice: 'Try again. If you sent something, check first whether it arrived.',
  },
  no_connector: {
    status: 503,
    hop: 'tunnel',
    title: 'The application cannot be reached right now',
    sentence: 'No connector of this application’s group is connected.',
    advice: 'Try again in a minute. If it stays, tell your administrator.',
  },
  too_many_waiting: {
    status: 503,
    hop: 'tunnel',
    title: 'The application cannot be reached right now',
    sentence: 'No connector is connected, and many requests are waiting already.',
    advice: 'Try again in a minute.',
  },
  maintenance: {
    status: 503,
    hop: 'edge',
    title: 'The application is being worked on',
    sentence: 'An administrator has closed this application for maintenance.',
    advice: 'Come back later.',
  },
  control_unavailable: {
    status: 503,
    hop: 'edge',
    title: 'Sign-in is not available right now',
    sentence: 'The part of the service that signs people in is starting again.',
    advice: 'Try again in a few seconds.',
  },
  state_stale: {
    status: 503,
    hop: 'edge',
    title: 'The service cannot check your access right now',
    sentence: 'The service has had no contact with its own records for too long, so it lets nobody in.',
    advice: 'Try again in a minute. If it stays, tell your administrator.',
  },
  upgrade_not_possible: {
    status: 501,
    hop: 'edge',
    title: 'This application takes no WebSockets',
    sentence: 'The application is reached over HTTP/2, which carries no connection upgrades.',
    advice: 'Tell your administrator: WebSockets need the backend protocol http1.',
  },
  loop_detected: {
    status: 508,
    hop: 'backend',
    title: 'The application leads back to itself',
    sentence: 'The address of the application in the private network leads back to this service.',
    advice:
      'Tell your administrator: the internal URL needs a look, or the name in it another address inside.',
  },
  backend_timeout: {
    status: 504,
    hop: 'backend',
    title: 'The application took too long to answer',
    sentence: 'The application has the request but did not begin to answer in time.',
    advice: 'Try again. If it stays, the application’s owner or a longer backend timeout can help.',
  },
  connect_timeout: {
    status: 504,
    hop: 'backend',
    title: 'The application does not answer right now',
    sentence: 'The application’s server did not accept the connector’s connection in time.',
    advice: 'Try again in a moment. If it stays, tell your administrator.',
  },
} as const satisfies Record<string, FailureKind>;

export type FailureCode = keyof typeof failures;

/** What a request that cannot be read is answered with. */
export function failureCodeOf(error: Http1Error): FailureCode {
  switch (error.status) {
    case 405:
      return 'method_not_allowed';
    case 414:
      return 'target_too_long';
    case 431:
      return 'head_too_large';
    default:
      return 'bad_request';
  }
}

/** A request that failed at the edge; `detail` is for logs and administrators, never for the page. */
export class EdgeError extends Error {
  readonly code: FailureCode;
  readonly detail: string;

  constructor(code: FailureCode, detail = '', options?: { cause?: unknown }) {
    super(detail === '' ? code : `${code}: ${detail}`, options);
    this.name = 'EdgeError';
    this.code = code;
    this.detail = detail;
  }

  get status(): number {
    return failures[this.code].status;
  }

  get hop(): Hop {
    return failures[this.code].hop;
  }
}
