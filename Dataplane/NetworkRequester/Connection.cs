using FastExit.Native.IoUring;
using FastExit.NetworkRequester.Protocol;

namespace FastExit.NetworkRequester;

internal enum ConnectionState : byte
{
    Free,

    /// <summary>Sends came before their Connect.</summary>
    Early,

    /// <summary>The gate was asked.</summary>
    Checking,
    Connecting,
    Open,

    /// <summary>The client was told and the key is free; what the kernel still works on is awaited.</summary>
    Closing,
}

[Flags]
internal enum ConnectionFlags : uint
{
    None = 0,
    ReceiveInFlight = 1 << 0,
    SendInFlight = 1 << 1,
    ShutdownInFlight = 1 << 2,

    /// <summary>The destination said all it will say.</summary>
    ReceiveDone = 1 << 3,

    /// <summary>Nothing can be written to the destination any more: shut down or broken.</summary>
    WriteDone = 1 << 4,
    WriteFailed = 1 << 5,
    ConnectedSent = 1 << 6,
    CloseSent = 1 << 7,
    KeepaliveDue = 1 << 8,

    /// <summary>The client's closing message was reached in order.</summary>
    ClientClosed = 1 << 9,

    /// <summary>The client sent an empty message that closes nothing, which mixFetch never does.</summary>
    SentEmpty = 1 << 10,

    /// <summary>Answers go to a return address, not by SURB.</summary>
    Exposed = 1 << 11,

    /// <summary>In its peer's list of connections that wait for credit.</summary>
    WaitsForCredit = 1 << 12,
    WaitsForWindow = 1 << 13,

    /// <summary>In the list of receives that found no buffer.</summary>
    WaitsForBuffers = 1 << 14,

    /// <summary>In the list of connections to look after.</summary>
    NeedsAttention = 1 << 15,

    /// <summary>A packet was finally lost on its way to the client: the stream can not be completed.</summary>
    Broken = 1 << 16,

    /// <summary>More early data came than is kept.</summary>
    EarlyOverflow = 1 << 17,

    /// <summary>The last packet is held back for the end of the stream, which is about to be read.</summary>
    HoldsLast = 1 << 18,
    HalfOpen = 1 << 19,
}

/// <summary>
/// One connection's state: no references, so that tens of thousands lie in arrays the collector never looks into. A handle
/// (generation and index) names it in the kernel's completions, at the gate and in the reply path.
/// </summary>
internal struct Connection
{
    public ConnectionKey Key;
    public uint Generation;
    public ConnectionState State;
    public MessageForm Form;
    public ConnectionFlags Flags;

    /// <summary>Where answers go.</summary>
    public int Peer;

    /// <summary>Direct descriptor; -1: none.</summary>
    public int Socket;

    /// <summary>Index of the connect attempts; -1: none.</summary>
    public int Attempts;

    /// <summary>Operations the kernel has not completed.</summary>
    public int InFlight;

    /// <summary>Client to destination.</summary>
    public OrderedBuffer Upstream;

    /// <summary>Of the send in flight, if it has several parts.</summary>
    public GatherList? Gather;
    public int SendBytes;

    /// <summary>Destination to client.</summary>
    public PacketQueue Downstream;
    public SendWindow Window;

    /// <summary>Bytes asked of the receive in flight, and packets to ask for next: follows what the destination sends.</summary>
    public int ReceiveAsked;
    public int ReceivePackets;

    public int NextWaiting;
    public int PreviousWaiting;

    /// <summary>Milliseconds: when the state began, when the client was last heard in order, when something was last sent to it.</summary>
    public long Since;
    public long LastHeard;
    public long LastSent;

    /// <summary>When a gap opened, when the first side closed; 0: not yet.</summary>
    public long GapSince;
    public long HalfClosedSince;

    public readonly bool Has(ConnectionFlags flags) => (Flags & flags) != 0;

    public void Set(ConnectionFlags flags) => Flags |= flags;

    public void Clear(ConnectionFlags flags) => Flags &= ~flags;

    /// <summary>
    /// mixFetch's page crashes on answers that others need (network-requester.md §7.4): version 3 with a return address, and nothing
    /// empty was sent yet.
    /// </summary>
    public readonly bool MaybeMixFetch =>
        Form == MessageForm.Version3 && (Flags & (ConnectionFlags.Exposed | ConnectionFlags.SentEmpty)) == ConnectionFlags.Exposed;
}

/// <summary>Connections by index, in chunks that are allocated when first needed and never move.</summary>
internal sealed class ConnectionTable
{
    public const int IndexBits = 20;
    private const int ChunkBits = 8;
    private const int ChunkConnections = 1 << ChunkBits;

    private readonly Connection[]?[] _chunks;
    private readonly int _limit;
    private int _created;
    private int _free = -1;

    public ConnectionTable(int limit)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(limit, 1 << IndexBits);
        _limit = limit;
        _chunks = new Connection[]?[(limit + ChunkConnections - 1) >> ChunkBits];
    }

    /// <summary>Indexes below this have been used.</summary>
    public int Created => _created;

    public int InUse { get; private set; }

    public ref Connection this[int index] => ref _chunks[index >> ChunkBits]![index & (ChunkConnections - 1)];

    public static long Handle(int index, uint generation) => ((long)generation << IndexBits) | (uint)index;

    public bool TryRent(out int index)
    {
        if (_free >= 0)
        {
            index = _free;
            _free = this[index].NextWaiting;
        }
        else
        {
            index = _created;
            if (_created == _limit)
                return false;
            _chunks[index >> ChunkBits] ??= new Connection[ChunkConnections];
            this[index].Generation = 1;
            _created++;
        }

        ref Connection c = ref this[index];
        c = new Connection
        {
            Generation = c.Generation,
            Peer = -1,
            Socket = -1,
            Attempts = -1,
            NextWaiting = -1,
            PreviousWaiting = -1,
            Upstream = OrderedBuffer.Create(),
            Downstream = PacketQueue.Create(),
        };
        InUse++;
        return true;
    }

    public void Return(int index)
    {
        ref Connection c = ref this[index];
        c.State = ConnectionState.Free;

        // 32 bits of generation: a handle comes back after four thousand million connections on one index. 0 is no handle.
        if (++c.Generation == 0)
            c.Generation = 1;
        c.NextWaiting = _free;
        _free = index;
        InUse--;
    }

    /// <summary>The live connection behind a handle.</summary>
    public bool TryFind(long handle, out int index)
    {
        index = (int)(handle & ((1 << IndexBits) - 1));
        return index < _created && this[index].Generation == (uint)(handle >> IndexBits) && this[index].State != ConnectionState.Free;
    }
}
