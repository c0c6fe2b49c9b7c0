// Calls the API as a page of the same site does: the browser keeps the cookies, no script ever sees them.

// The server said no. `problem` is its answer (RFC 9457): `code` never changes, `detail` is for people.
export class Refused extends Error {
  constructor(problem) {
    super(problem.detail ?? problem.title);
    this.problem = problem;
  }
}

export async function call(method, path, body) {
  const isForm = body instanceof URLSearchParams;
  const response = await fetch(`/api/v1${path}`, {
    method,
    headers: body && !isForm ? { "Content-Type": "application/json" } : {},
    body: body && !isForm ? JSON.stringify(body) : body,
  });
  const answer = response.status === 204 ? null : await response.json();
  if (!response.ok) {
    throw new Refused(answer);
  }
  return answer;
}
