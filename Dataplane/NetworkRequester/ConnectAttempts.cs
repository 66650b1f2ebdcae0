using System.Runtime.CompilerServices;
using FastExit.NetworkRequester.Protocol;

namespace FastExit.NetworkRequester;

/// <summary>
/// One connection's race over the checked addresses (RFC 8305): the next one starts when the stagger passed or the one before failed.
/// </summary>
internal struct ConnectRace
{
    public GateVerdict.AddressList Addresses;
    public int Count;
    public int Next;

    /// <summary>One bit per attempt the kernel works on.</summary>
    public int InFlight;
    public Descriptors Sockets;

    /// <summary>The failure that says most about the destination so far.</summary>
    public ConnectFailure Failure;
    public long NextStart;
    public int NextFree;

    /// <summary>Refused beats timed out beats unreachable beats our own limits.</summary>
    public void Note(ConnectFailure failure)
    {
        if (Rank(failure) > Rank(Failure))
            Failure = failure;
    }

    private static int Rank(ConnectFailure failure) => failure switch
    {
        ConnectFailure.Refused => 5,
        ConnectFailure.Timeout => 4,
        ConnectFailure.Unreachable => 3,
        ConnectFailure.NetworkUnreachable => 2,
        ConnectFailure.Limit => 1,
        _ => 0,
    };

    [InlineArray(GateVerdict.MaximumAddresses)]
    public struct Descriptors
    {
        private int _first;
    }
}

/// <summary>Races by index; only half-open connections have one.</summary>
internal sealed class ConnectAttempts
{
    private readonly int _limit;
    private ConnectRace[] _races = [];
    private int _created;
    private int _free = -1;

    public ConnectAttempts(int limit) => _limit = limit;

    public int InUse { get; private set; }

    public ref ConnectRace this[int index] => ref _races[index];

    public bool TryRent(out int index)
    {
        if (_free >= 0)
        {
            index = _free;
            _free = _races[index].NextFree;
        }
        else
        {
            index = _created;
            if (_created == _limit)
                return false;
            if (_created == _races.Length)
                Array.Resize(ref _races, Math.Min(_limit, Math.Max(16, _races.Length * 2)));
            _created++;
        }

        _races[index] = default;
        InUse++;
        return true;
    }

    public void Return(int index)
    {
        _races[index].NextFree = _free;
        _free = index;
        InUse--;
    }
}
