import type { FastifyInstance } from 'fastify';
import { stylesheet, stylesheetPath } from './stylesheet.ts';

/** A file that pages refer to, under a name that changes with its content. */
export interface Asset {
  readonly path: string;
  readonly type: string;
  readonly content: string;
}

const stylesheetAsset: Asset = { path: stylesheetPath, type: 'text/css; charset=utf-8', content: stylesheet };

/** Serves the stylesheet and further files, on every host: the reserved prefix is ours on all of them. */
export function registerAssets(app: FastifyInstance, further: readonly Asset[] = []): void {
  for (const { path, type, content } of [stylesheetAsset, ...further]) {
    app.get(path, (_request, reply) =>
      reply
        .headers({
          'content-type': type,
          'cache-control': 'public, max-age=31536000, immutable',
          'x-content-type-options': 'nosniff',
        })
        .send(content),
    );
  }
}
