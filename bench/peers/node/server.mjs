// better-auth as its documentation deploys it on Node.js, in as many processes as its environment's WORKERS says.
// `node server.mjs migrate` makes the tables. Each setting names the page of better-auth's documentation it is from.
import cluster from 'node:cluster';
import { createServer } from 'node:http';

import { hash, verify } from '@node-rs/argon2';
import { betterAuth } from 'better-auth';
import { getMigrations } from 'better-auth/db/migration';
import { toNodeHandler } from 'better-auth/node';
import pg from 'pg';

const { DATABASE_URL, HASHING, HOST, PORT, SESSIONS, WORKERS } = process.env;
// What Ostiary has by default: Argon2id, which is this package's default as well.
const EQUAL = { memoryCost: 19456, timeCost: 2, parallelism: 1 };

const options = {
  // "PostgreSQL". Ten connections for each process are pg's default, and Ostiary's.
  database: new pg.Pool({ connectionString: DATABASE_URL, max: 10 }),
  // BETTER_AUTH_SECRET and BETTER_AUTH_URL come from the environment ("Installation", "Deploy with Docker").
  emailAndPassword: {
    enabled: true, // "Email & Password"
    autoSignIn: false, // "Email & Password": otherwise a sign-up also begins a session, which nobody else's does.
    // "Email & Password", "Password Hashing": without functions of one's own it is scrypt, by Node.js.
    password: HASHING === 'equal' ? {
      hash: (password) => hash(password, EQUAL),
      verify: ({ hash: stored, password }) => verify(stored, password),
    } : undefined,
  },
  session: {
    // "Session Management", "Cookie Cache": off by default; on, a session that was ended is good for up to 5 minutes.
    cookieCache: { enabled: SESSIONS === 'cached', maxAge: 5 * 60 },
  },
  // "PostgreSQL", "Joins (Experimental)": off by default, advised there for speed, and a third faster.
  advanced: { database: { joins: true } },
  rateLimit: { enabled: false }, // "Rate Limit": one client sends everything; Ostiary's is off for the same reason.
  telemetry: { enabled: false }, // "Telemetry": nothing leaves this machine.
};

function serve() {
  const auth = betterAuth(options);
  // "Node integration": GET /api/auth/ok says that the server runs.
  createServer(toNodeHandler(auth)).listen(Number(PORT), HOST);
}

if (process.argv[2] === 'migrate') {
  const { runMigrations } = await getMigrations(options); // "Database", "Programmatic Migrations"
  await runMigrations();
  await options.database.end();
} else if (cluster.isPrimary) {
  for (let number = 0; number < Number(WORKERS); number += 1) cluster.fork();
} else {
  serve();
}
