/**
 * A program that inserts users into the database named by its argument, one commit each, and prints each name once its
 * commit has been answered. It runs until it is killed.
 */
import { randomUUID } from 'node:crypto';
import { writeSync } from 'node:fs';
import { openStore } from './open.ts';
import { insertUser } from './users.ts';

const db = await openStore(process.argv[2]);
writeSync(1, 'open\n');
for (;;) {
  const name = randomUUID();
  await insertUser(db, {
    id: name,
    userPrincipalName: name,
    signInName: name,
    // Several pages each, so that the log is checkpointed often and a kill meets checkpoints as well.
    displayName: 'x'.repeat(20_000),
    accountEnabled: 1,
    createdAt: 0,
  });
  writeSync(1, `${name}\n`);
}
