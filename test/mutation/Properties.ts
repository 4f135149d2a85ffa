/** Stands for `@effect/vitest` where files of properties are loaded without vitest: collects what it would run. */
export { assert } from "vitest"

type Law = () => unknown

let collected = new Map<string, Law>()

export const describe = (_title: string, body: () => void): void => body()

export const it = (title: string, law: Law): void => void collected.set(title, law)

/** What was collected since this was called last, by its title. */
export const take = (): ReadonlyMap<string, Law> => {
  const taken = collected
  collected = new Map()
  return taken
}
