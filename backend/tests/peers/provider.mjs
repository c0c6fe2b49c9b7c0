// The certified OpenID provider `oidc-provider`, with one confidential client and a few people, on a free port of this
// machine. Its only argument is JSON: `client_id`, `client_secret`, `redirect_uris`, and `people`, which maps what
// somebody types at the sign-in page, also their `sub`, to their other claims. It prints `issuer: <URL>` when it is
// ready, and ends when its standard input does, so that it never outlives whoever started it.
//
// Everything that is not said here is as the package has it by default: claims about a person come from the userinfo
// endpoint alone, for example, and every answer names its issuer (RFC 9207).
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import { text } from 'node:stream/consumers';

import Provider from 'oidc-provider';

const { people, ...client } = JSON.parse(process.argv[2]);

const server = createServer();
await new Promise((resolve) => { server.listen(0, '127.0.0.1', resolve); });
const issuer = `http://127.0.0.1:${server.address().port}`;
const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });

const provider = new Provider(issuer, {
  clients: [{ ...client, id_token_signed_response_alg: 'RS256' }],
  jwks: { keys: [{ ...privateKey.export({ format: 'jwk' }), use: 'sig', alg: 'RS256' }] },
  cookies: { keys: [randomBytes(32).toString('hex')] },
  claims: { email: ['email', 'email_verified'], profile: ['name'] },
  pkce: { required: () => true },
  features: { devInteractions: { enabled: false } },
  interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
  findAccount: (_, sub) => (people[sub] ? { accountId: sub, claims: () => ({ sub, ...people[sub] }) } : undefined),
  loadExistingGrant: grantWhatIsAsked,
});

// Nobody is asked for consent: the client is known to belong to the same house.
async function grantWhatIsAsked({ oidc }) {
  const grant = new provider.Grant({ clientId: oidc.client.clientId, accountId: oidc.session.accountId });
  grant.addOIDCScope('openid email profile');
  await grant.save();
  return grant;
}

const page = (notice) => `<!doctype html><html lang="en"><meta charset="utf-8"><link rel="icon" href="data:,">
<title>Sign in at the provider</title><h1>Sign in at the provider</h1><p role="alert">${notice}</p>
<form method="post"><label>Who are you? <input name="login" autofocus></label>
<button name="answer" value="yes">Sign in</button> <button name="answer" value="no">Cancel</button></form></html>`;

function show(response, status, notice = '') {
  response.writeHead(status, { 'Content-Type': 'text/html; charset=utf-8' }).end(page(notice));
}

async function interact(request, response) {
  await provider.interactionDetails(request, response); // Throws for a browser that was not sent here.
  if (request.method !== 'POST') return show(response, 200);
  const form = new URLSearchParams(await text(request));
  const login = form.get('login');
  if (form.get('answer') === 'no') return provider.interactionFinished(request, response, { error: 'access_denied' });
  if (!Object.hasOwn(people, login)) return show(response, 400, 'Nobody of that name is known here.');
  return provider.interactionFinished(request, response, { login: { accountId: login }, consent: {} });
}

const serve = provider.callback();
server.on('request', (request, response) => {
  if (!request.url.startsWith('/interaction/')) return serve(request, response);
  return interact(request, response).catch((error) => response.writeHead(400).end(error.message));
});
process.stdin.on('end', () => process.exit()).resume();
console.log(`issuer: ${issuer}`);
