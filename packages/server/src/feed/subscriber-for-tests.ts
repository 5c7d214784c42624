/** What a subscriber does when the control process asks or tells it something, in a test in which it does not. */
export const nothingAsked = {
  onChange: () => undefined,
  onExamine: async () => null,
  onTest: async () => null,
  onReportOutcomes: () => [],
  onReportBackends: () => null,
  onConnect: () => undefined,
};
