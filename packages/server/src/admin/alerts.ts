import { alertTestResult } from '@postern/protocol/admin/alerts';
import type { AdminApp, ResourceParts } from './parts.ts';

export function addAlerts(app: AdminApp, { testAlerts }: ResourceParts): void {
  app.post(
    '/alerts/test',
    {
      schema: {
        summary: 'Send a test alert',
        description:
          'Sends one by mail and to every webhook that is configured, and says what became of each. It takes as long as the slowest of them, at most about half a minute.',
        tags: ['alerts'],
        response: { 200: alertTestResult },
      },
    },
    async () => ({ value: [...(await testAlerts())] }),
  );
}
