/**
 * The scenarios that a simulation chooses among: the library's own, or those that a module of the user's
 * exports as its default: one, or a list.
 */
import * as Predicate from "effect/Predicate"
import type { Scenario } from "../../protocol/testing/simulation/Scenario.ts"

/** As it has to be typed on the command line. */
const NAME = /^[a-z0-9][a-z0-9._-]{0,63}$/

const isScenario = (value: unknown): value is Scenario =>
  Predicate.hasProperty(value, "name") &&
  typeof value.name === "string" &&
  Predicate.hasProperty(value, "about") &&
  typeof value.about === "string" &&
  Predicate.hasProperty(value, "play") &&
  typeof value.play === "function"

const problemOf = (scenarios: ReadonlyArray<unknown>): string | undefined => {
  if (scenarios.length === 0) return "its default export is an empty list"
  const wrong = scenarios.findIndex((scenario) => !isScenario(scenario))
  if (wrong !== -1) return `its default export is no scenario${scenarios.length > 1 ? ` at position ${wrong + 1}` : ""}`
  const names = scenarios.filter(isScenario).map(({ name }) => name)
  const odd = names.find((name) => !NAME.test(name))
  if (odd !== undefined) return `"${odd}" is no name for a scenario: use lower-case letters, digits, dots and hyphens`
  const twice = names.find((name, index) => names.indexOf(name) !== index)
  return twice === undefined ? undefined : `there are two scenarios named ${twice}`
}

const sentenceOf = (thrown: unknown): string =>
  thrown instanceof Error ? `${thrown.name}: ${thrown.message}` : String(thrown)

/** Loads them. A string says why that was not possible. */
export const load = async (module: string | undefined): Promise<ReadonlyArray<Scenario> | string> => {
  if (module === undefined) return (await import("../../protocol/testing/scenarios/Scenarios.ts")).all
  let exported: unknown
  try {
    const loaded: unknown = await import(module)
    if (!Predicate.hasProperty(loaded, "default")) return "it has no default export"
    exported = loaded.default
  } catch (thrown) {
    return `it cannot be loaded: ${sentenceOf(thrown)}`
  }
  const scenarios: ReadonlyArray<unknown> = Array.isArray(exported) ? exported : [exported]
  return problemOf(scenarios) ?? scenarios.filter(isScenario)
}
