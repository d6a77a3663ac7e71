package check

import "time"

const centralWithin = 20 * time.Second
