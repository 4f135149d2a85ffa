import { PublicationLog } from "../../../src/protocol/registry/PublicationLog.ts"
import * as PublicationLogSuite from "./PublicationLogSuite.ts"

PublicationLogSuite.suite("memory", PublicationLog.layerMemory)
