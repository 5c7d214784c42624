/** The stations of a request inside the service and behind it, in the order in which it comes to them. */
export const testHops = [
  'admission',
  'connector',
  'tunnel',
  'backendDns',
  'backendConnect',
  'backendTls',
  'backendAnswer',
  'answer',
] as const;
export type TestHopName = (typeof testHops)[number];

/** What people read in their place. */
export const testHopTitles: Readonly<Record<TestHopName, string>> = {
  admission: 'Admission',
  connector: 'Connector',
  tunnel: 'Tunnel',
  backendDns: 'Backend DNS',
  backendConnect: 'Backend TCP',
  backendTls: 'Backend TLS',
  backendAnswer: 'First byte',
  answer: 'Answer',
};
