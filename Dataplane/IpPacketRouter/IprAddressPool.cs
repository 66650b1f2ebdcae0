using System.Security.Cryptography;

namespace FastExit.IpPacketRouter;

/// <summary>
/// One core's free client numbers (ipr.md §3.1): given out in the order in which they became free, in random order at first. A number
/// rests for a while before its next tenant, so that nobody receives what was meant for another; when only resting ones are left there
/// is none to give. Taking and giving back are O(1) and allocate nothing.
/// </summary>
internal sealed class IprAddressPool
{
    private const long Never = long.MinValue;

    private readonly TunnelNetwork _network;
    private readonly int _core;
    private readonly int _cores;
    private readonly long _rest;
    private readonly int[] _free;
    private readonly long[] _freedAt;
    private int _head;

    /// <param name="network">Which numbers there are.</param>
    /// <param name="core">Which core's numbers these are.</param>
    /// <param name="cores">Among how many the numbers are divided.</param>
    /// <param name="rest">How long a freed number is not given again.</param>
    public IprAddressPool(TunnelNetwork network, int core, int cores, TimeSpan rest)
    {
        _network = network;
        _core = core;
        _cores = cores;
        _rest = (long)rest.TotalMilliseconds;
        var numbers = new List<int>();
        for (int number = TunnelNetwork.FirstNumber; number <= network.LastNumber; number++)
        {
            if (CoreOf(number, cores) == core && !network.IsOwnNumber(number))
                numbers.Add(number);
        }

        _free = [.. numbers];
        RandomNumberGenerator.Shuffle(_free.AsSpan());
        _freedAt = new long[network.LastNumber + 1];
        Array.Fill(_freedAt, Never);
        Available = _free.Length;
    }

    /// <summary>Numbers this core has in all.</summary>
    public int Total => _free.Length;

    /// <summary>Numbers nobody has, resting ones included.</summary>
    public int Available { get; private set; }

    /// <summary>The core whose clients have that number.</summary>
    public static int CoreOf(int number, int cores) => number % cores;

    /// <summary>False: all are taken or resting.</summary>
    public bool TryTake(long nowMilliseconds, out int number)
    {
        number = 0;
        if (Available == 0)
            return false;
        int next = _free[_head];
        if (_freedAt[next] != Never && nowMilliseconds - _freedAt[next] < _rest)
            return false;
        number = next;
        _head = _head + 1 == _free.Length ? 0 : _head + 1;
        Available--;
        return true;
    }

    /// <summary>Takes back a number that <see cref="TryTake"/> gave.</summary>
    public void Return(int number, long nowMilliseconds)
    {
        System.Diagnostics.Debug.Assert(CoreOf(number, _cores) == _core && !_network.IsOwnNumber(number), "number of somebody else");
        System.Diagnostics.Debug.Assert(Available < _free.Length, "number returned twice");
        _freedAt[number] = nowMilliseconds;
        int tail = _head + Available;
        _free[tail >= _free.Length ? tail - _free.Length : tail] = number;
        Available++;
    }
}
