"""Names for what the kernel works on: the numbers of a point, the rows of `room`, and the columns of `events`.

`room` is the kernel's only memory.  A row holds n numbers a lane (entry i * lanes + k) or one number a lane (entry k).
"""

# A point's numbers, also the first rows of `room`: m/κ, ln(q-1), the floor, the bars of `equations.margins`, where the
# flow stops, and how long it then goes on to its limit.
N_NUMBERS = 10
R, LOG_RIVALS, FLOOR, FIT_BAR, SPREAD, LOG_OTHERS, GEN_BAR, LEAVE_BAR, T_END, FOREVER = range(N_NUMBERS)
# What descent needs besides; the seed is two numbers.
LEARNING_RATE, STEPS, NOISE, SEED = range(N_NUMBERS, N_NUMBERS + 4)

# Rows of a lane's state.  The first CIRCUIT are what a point's circuits bring, `circuits` (CIRCUIT, n), in this order.
CIRCUIT = 5
(
    *_,
    THETA, INVARIANT, SLOPE, EDGE, LEAST,  # n a lane
    LOGITS, RATE, PARKED, POWER, START, END, D1, D2, D3,
    NOW, BEFORE,  # an event a lane
    P, H, T, ERROR, LAST_H, LAST_ERROR, HELD, TAKEN, EVER, SAMPLED, STAGE, POINT, PART, GROWTH, SHRINK, NEAR,
    # Work space of `equations` and `rodas`, then free between two steps.
    INVERSE, WEIGHT, PER_H, RHS, Y, W, K1, K2, K3, K4, K5, K6, K7, K8, SHARE, PULL, ALONG, LOOK, SCRATCH,
) = range(N_NUMBERS + 51)  # fmt: skip
ROOM = SCRATCH + 4

# Events: each is the time since which a condition has held for good.  Columns of `events` go on with whether the run ever
# generalised, how many steps it took, and how it ended.
N_EVENTS = 5
FIT, GEN, CROSS, LEAVE, LOST = range(N_EVENTS)
GENERALISED, COUNT, STATUS = range(N_EVENTS, N_EVENTS + 3)
N_COLUMNS = N_EVENTS + 3
DONE, TOO_MANY_STEPS, NOT_FINITE, EXTINCT, UNSTABLE = range(5)
