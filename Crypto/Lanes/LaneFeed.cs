using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace FastExit.Crypto.Lanes;

// Walks several messages of different lengths block by block, in step. A message is up to three runs of whole blocks (a key
// block, what lies in the caller's memory, a padded tail); between two calls of TryNext no lane changes its run, so that
// flags and counters have to be looked at only there. Lives on the driver's stack.
//
// Constant time: where a lane stands depends on lengths alone.
internal unsafe struct LaneFeed
{
    public const int MaximumLanes = 16, MaximumRuns = 3;

    /// <summary>Where each lane's block is; a lane that has ended points at readable bytes of no meaning.</summary>
    public fixed ulong Pointers[MaximumLanes];

    /// <summary>All ones for a lane with a block, else zero; the upper half of a double word repeats the lower.</summary>
    public fixed ulong Active[MaximumLanes];

    private fixed ulong _steps[MaximumLanes];
    private fixed ulong _starts[MaximumLanes * MaximumRuns];
    private fixed int _blocks[MaximumLanes * MaximumRuns];
    private fixed int _left[MaximumLanes];
    private fixed int _runs[MaximumLanes];
    private fixed int _run[MaximumLanes];
    private int _lanes, _blockBytes;
    private ulong _idle;

    /// <summary>Empties all lanes. idle: as many readable bytes as a block has.</summary>
    public void Reset(int lanes, int blockBytes, byte* idle)
    {
        _lanes = lanes;
        _blockBytes = blockBytes;
        _idle = (ulong)idle;
        for (int lane = 0; lane < MaximumLanes; lane++)
        {
            _runs[lane] = 0;
            _run[lane] = -1;
            _left[lane] = 0;
            Pointers[lane] = _idle;
            Active[lane] = 0;
            _steps[lane] = 0;
        }
    }

    /// <summary>Appends a run to a lane; nothing if it has no block.</summary>
    public void Append(int lane, byte* start, int blocks)
    {
        if (blocks == 0)
            return;
        int index = lane * MaximumRuns + _runs[lane]++;
        _starts[index] = (ulong)start;
        _blocks[index] = blocks;
    }

    /// <summary>How many runs of a lane come after the one it is in; 0 in the last and after the end.</summary>
    public readonly int RunsAfter(int lane) => _runs[lane] - _run[lane] - 1;

    /// <summary>Which run a lane is in.</summary>
    public readonly int Run(int lane) => _run[lane];

    /// <summary>How many blocks can be taken before a lane changes its run; false when all lanes have ended.</summary>
    public bool TryNext(out int blocks)
    {
        blocks = int.MaxValue;
        for (int lane = 0; lane < _lanes; lane++)
        {
            if (_left[lane] == 0)
                EnterNextRun(lane);
            if (_left[lane] != 0)
                blocks = Math.Min(blocks, _left[lane]);
        }

        if (blocks == int.MaxValue)
            return false;
        for (int lane = 0; lane < _lanes; lane++)
            _left[lane] = Math.Max(0, _left[lane] - blocks);
        return true;
    }

    /// <summary>Every lane's pointer to its next block, inside a run.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Step()
    {
        fixed (ulong* p = Pointers, s = _steps)
        {
            for (int lane = 0; lane < MaximumLanes; lane += 4)
                (Vector256.Load(p + lane) + Vector256.Load(s + lane)).Store(p + lane);
        }
    }

    private void EnterNextRun(int lane)
    {
        if (_run[lane] + 1 >= _runs[lane])
        {
            Pointers[lane] = _idle;
            _steps[lane] = 0;
            Active[lane] = 0;
            return;
        }

        int index = lane * MaximumRuns + ++_run[lane];
        Pointers[lane] = _starts[index];
        _left[lane] = _blocks[index];
        _steps[lane] = (ulong)_blockBytes;
        Active[lane] = ulong.MaxValue;
    }
}
