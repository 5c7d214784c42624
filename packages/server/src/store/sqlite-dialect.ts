import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite';
import {
  type DatabaseIntrospector,
  type Dialect,
  type DialectAdapter,
  type Driver,
  type Kysely,
  type QueryCompiler,
  SqliteAdapter,
  type SqliteDatabase,
  SqliteDriver,
  SqliteIntrospector,
  SqliteQueryCompiler,
  type SqliteStatement,
} from 'kysely';
import { translateStorageError } from './store-error.ts';

/** Lets Kysely speak to one connection of node:sqlite. */
export class NodeSqliteDialect implements Dialect {
  readonly #connection: DatabaseSync;
  readonly #file: string;

  constructor(connection: DatabaseSync, file: string) {
    this.#connection = connection;
    this.#file = file;
  }

  createDriver(): Driver {
    return new SqliteDriver({ database: adaptConnection(this.#connection, this.#file) });
  }

  createQueryCompiler(): QueryCompiler {
    return new SqliteQueryCompiler();
  }

  createAdapter(): DialectAdapter {
    return new TransactionalDdlAdapter();
  }

  createIntrospector(db: Kysely<unknown>): DatabaseIntrospector {
    return new SqliteIntrospector(db);
  }
}

/** SQLite does roll back CREATE and ALTER; saying so makes the migrator run each batch in one transaction. */
class TransactionalDdlAdapter extends SqliteAdapter {
  override get supportsTransactionalDdl(): boolean {
    return true;
  }
}

function adaptConnection(connection: DatabaseSync, file: string): SqliteDatabase {
  return {
    close: () => connection.close(),
    prepare(sql) {
      // SQLite ends a transaction by itself when the disk is full or broken; rolling back again would fail, and that
      // failure would hide the first one (https://www.sqlite.org/lang_transaction.html#response_to_errors_within_a_transaction).
      if (sql === 'rollback' && !connection.isTransaction) return nothingToDo;
      // A transaction that reads first and writes later fails at once with SQLITE_BUSY if another process has written in
      // between; taking the write lock at the start makes it wait for busy_timeout instead.
      const text = sql === 'begin' ? 'begin immediate' : sql;
      return adaptStatement(
        attempt(file, () => connection.prepare(text)),
        file,
      );
    },
  };
}

const nothingToDo: SqliteStatement = {
  reader: false,
  all: () => [],
  run: () => ({ changes: 0, lastInsertRowid: 0 }),
  iterate: () => [].values(),
};

function adaptStatement(statement: StatementSync, file: string): SqliteStatement {
  return {
    reader: statement.columns().length > 0,
    all: parameters => attempt(file, () => statement.all(...(parameters as SQLInputValue[]))),
    run: parameters => attempt(file, () => statement.run(...(parameters as SQLInputValue[]))),
    iterate: parameters => statement.iterate(...(parameters as SQLInputValue[])),
  };
}

function attempt<T>(file: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw translateStorageError(error, file);
  }
}
