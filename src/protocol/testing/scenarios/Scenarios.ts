/** Every scenario that comes with the library, in the order in which seeds choose among them. */
import type { Scenario } from "../simulation/Scenario.ts"
import { crowdedName } from "./CrowdedName.ts"
import { twoMachines } from "./TwoMachines.ts"
import { yearOfRePuts } from "./YearOfRePuts.ts"

export const all: ReadonlyArray<Scenario> = [crowdedName, twoMachines, yearOfRePuts]

export const named = (name: string): Scenario | undefined => all.find((scenario) => scenario.name === name)
