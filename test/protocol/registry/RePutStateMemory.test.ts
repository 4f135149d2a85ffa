import { RePutState } from "../../../src/protocol/registry/RePutState.ts"
import * as RePutStateSuite from "./RePutStateSuite.ts"

RePutStateSuite.suite("memory", RePutState.layerMemory)
