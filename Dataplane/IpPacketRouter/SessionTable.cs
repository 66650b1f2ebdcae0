using FastExit.Cores;

namespace FastExit.IpPacketRouter;

internal enum SessionState : byte
{
    Free,

    /// <summary>Has its addresses and has not used them yet.</summary>
    HalfOpen,
    Open,
}

/// <summary>One client's tunnel (ipr.md §3.4).</summary>
internal struct IprSession
{
    public SessionState State;

    /// <summary>Version of the connect: what the client is answered in.</summary>
    public byte Version;

    /// <summary>The connect came in a stream, so everything goes back in it.</summary>
    public bool HasStream;

    /// <summary>Wants to send and there is no credit.</summary>
    public bool WaitsForCredit;

    public int Peer;
    public int Number;
    public ulong StreamId;

    /// <summary>Sequence number of the next message in the stream; data and control count together.</summary>
    public uint NextSequence;

    /// <summary>Of the connect that set this session up: the same again is a retransmission.</summary>
    public ulong ConnectRequestId;

    public int BundleMilliseconds;
    public long LastHeard;
    public long Connected;

    public long NextInfo;
    public TokenBucket Errors;
    public TokenBucket Packets;

    /// <summary>Packets in another client's name that are forgiven.</summary>
    public TokenBucket Spoofed;
    public DownlinkQueue Queue;
}

/// <summary>
/// The sessions of one core: by index, by peer and by address number. All memory for them is there from the start but the map from
/// peers, which grows with the highest peer index seen.
/// </summary>
internal sealed class SessionTable
{
    public const int None = -1;

    private readonly IprSession[] _sessions;
    private readonly int[] _free;
    private readonly int[] _byNumber;
    private int[] _byPeer = new int[1024];
    private int _freeCount;

    public SessionTable(int maximum, int lastNumber)
    {
        _sessions = new IprSession[maximum];
        _free = new int[maximum];
        for (int i = 0; i < maximum; i++)
            _free[_freeCount++] = maximum - 1 - i;
        _byNumber = new int[lastNumber + 1];
    }

    public int Capacity => _sessions.Length;

    public int Count => _sessions.Length - _freeCount;

    public bool IsFull => _freeCount == 0;

    public ref IprSession this[int index] => ref _sessions[index];

    public bool TryFindPeer(int peer, out int index)
    {
        index = (uint)peer < (uint)_byPeer.Length ? _byPeer[peer] - 1 : None;
        return index != None;
    }

    public bool TryFindNumber(int number, out int index)
    {
        index = (uint)number < (uint)_byNumber.Length ? _byNumber[number] - 1 : None;
        return index != None;
    }

    /// <summary>A new session, half open, everything else zero; there must be room.</summary>
    public int Open(int peer, int number)
    {
        int index = _free[--_freeCount];
        if (peer >= _byPeer.Length)
            Array.Resize(ref _byPeer, Math.Max(peer + 1, _byPeer.Length * 2));
        _byPeer[peer] = index + 1;
        _byNumber[number] = index + 1;
        _sessions[index] = new IprSession { State = SessionState.HalfOpen, Peer = peer, Number = number };
        return index;
    }

    /// <summary>The session's queue is empty already.</summary>
    public void Close(int index)
    {
        ref IprSession session = ref _sessions[index];
        _byPeer[session.Peer] = 0;
        _byNumber[session.Number] = 0;
        session = default;
        _free[_freeCount++] = index;
    }
}

/// <summary>Session indexes in turn, each at most once; room for all of them.</summary>
internal sealed class TurnRing(int indexes)
{
    private readonly int[] _turns = new int[indexes];
    private readonly bool[] _inside = new bool[indexes];
    private int _head;

    public int Count { get; private set; }

    public void Add(int index)
    {
        if (_inside[index])
            return;
        _inside[index] = true;
        int tail = _head + Count;
        _turns[tail >= _turns.Length ? tail - _turns.Length : tail] = index;
        Count++;
    }

    public bool TryTake(out int index)
    {
        index = SessionTable.None;
        if (Count == 0)
            return false;
        index = _turns[_head];
        _head = _head + 1 == _turns.Length ? 0 : _head + 1;
        Count--;
        _inside[index] = false;
        return true;
    }
}
