import type { FastifyInstance } from 'fastify';
import { controlHosts } from '../config/names.ts';
import type { Config } from '../config/schema.ts';
import { hostConstraint } from '../pages/host-constraint.ts';
import { answerPortCheck, plainPath, probePath } from './answers.ts';

/** The port check page over https; the relay serves the copy in the clear by itself. */
export function registerPortCheck(app: FastifyInstance, config: Config): void {
  const constraints = hostConstraint(controlHosts(config).portcheck);
  for (const path of ['/', plainPath, probePath]) {
    app.route({
      method: path === probePath ? ['GET', 'OPTIONS'] : ['GET'],
      url: path,
      constraints,
      handler: (_request, reply) => {
        const { status, headers, body } = answerPortCheck(config, 'https', path)!;
        return reply.code(status).headers(headers).send(body);
      },
    });
  }
}
