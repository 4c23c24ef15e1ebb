/** Finds the route of a request. */
import { apiPrefix, pathNames } from './openapi';
import { ApiError, type Route } from './route';

/** The route of a path and its parameters; routes without parameters come first. */
export function findRoute(
  routes: readonly Route[],
  method: string,
  path: string,
): { route: Route; given: Record<string, string> } {
  const parts = path.split('/');
  const matching = routes
    .filter((route) => {
      const wanted = (apiPrefix + route.path).split('/');
      return (
        wanted.length === parts.length && wanted.every((one, i) => one.startsWith('{') || one === parts[i])
      );
    })
    .sort((a, b) => pathNames(a.path).length - pathNames(b.path).length);
  const [nearest] = matching;
  if (nearest === undefined)
    throw new ApiError(404, 'there is no such path', `${apiPrefix}/openapi.json lists all of them`);
  const route = matching.find((one) => one.path === nearest.path && one.method === method);
  if (route === undefined) {
    const allowed = matching.filter((one) => one.path === nearest.path).map((one) => one.method);
    throw new ApiError(405, `the method must be ${allowed.join(' or ')}`);
  }
  const given: Record<string, string> = {};
  (apiPrefix + route.path).split('/').forEach((one, i) => {
    if (one.startsWith('{')) given[one.slice(1, -1)] = decodePart(parts[i]!);
  });
  return { route, given };
}

function decodePart(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new ApiError(400, 'the path is not valid: a percent sign is followed by two hexadecimal digits');
  }
}
