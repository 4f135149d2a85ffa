/** Every scenario that comes with the library, in the order in which seeds choose among them. */
import type { Scenario } from "../simulation/Scenario.ts"
import { badDisks } from "./BadDisks.ts"
import { crashAnywhere } from "./CrashAnywhere.ts"
import { crowdedName } from "./CrowdedName.ts"
import { eclipse } from "./Eclipse.ts"
import { equivocation } from "./Equivocation.ts"
import { forgeries } from "./Forgeries.ts"
import { freeze } from "./Freeze.ts"
import { halfPublished } from "./HalfPublished.ts"
import { lastWord } from "./LastWord.ts"
import { lossyInstall } from "./LossyInstall.ts"
import { overwriteWar } from "./OverwriteWar.ts"
import { powerCut } from "./PowerCut.ts"
import { rollback } from "./Rollback.ts"
import { siege } from "./Siege.ts"
import { skewedClocks } from "./SkewedClocks.ts"
import { splitPublish } from "./SplitPublish.ts"
import { squatting } from "./Squatting.ts"
import { stolenKey } from "./StolenKey.ts"
import { storageFlood } from "./StorageFlood.ts"
import { twoMachines } from "./TwoMachines.ts"
import { unheard } from "./Unheard.ts"
import { vanishingSeeders } from "./VanishingSeeders.ts"
import { yearOfRePuts } from "./YearOfRePuts.ts"

export const all: ReadonlyArray<Scenario> = [
  crowdedName,
  splitPublish,
  twoMachines,
  crashAnywhere,
  vanishingSeeders,
  lossyInstall,
  skewedClocks,
  badDisks,
  rollback,
  freeze,
  equivocation,
  forgeries,
  squatting,
  overwriteWar,
  siege,
  eclipse,
  stolenKey,
  halfPublished,
  lastWord,
  powerCut,
  storageFlood,
  unheard,
  yearOfRePuts
]

export const named = (name: string): Scenario | undefined => all.find((scenario) => scenario.name === name)
