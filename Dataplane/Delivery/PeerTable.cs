using System.Buffers.Binary;
using System.Security.Cryptography;
using FastExit.Crypto.EndToEnd;

namespace FastExit.Delivery;

/// <summary>16 bytes that name an anonymous client at this service (end-to-end.md §2.4), or the first 16 of a return address' identity.</summary>
internal readonly record struct PeerTag(ulong Low, ulong High)
{
    public static PeerTag Read(ReadOnlySpan<byte> bytes) =>
        new(BinaryPrimitives.ReadUInt64LittleEndian(bytes), BinaryPrimitives.ReadUInt64LittleEndian(bytes[8..]));
}

/// <summary>One client as a core knows it.</summary>
internal struct Peer
{
    public bool InUse;

    /// <summary>Answers go by SURB; otherwise to <see cref="Recipient"/>.</summary>
    public bool Anonymous;
    public bool LossReported;
    public PeerTag Tag;

    /// <summary>Never given twice.</summary>
    public long Identity;
    public Recipient Recipient;

    /// <summary>Connections that refer to this peer.</summary>
    public int References;
    public long LastHeard;

    public SurbQueue Surbs;

    /// <summary>SURBs of the key rotation before the current one: used when there are no others.</summary>
    public SurbQueue StaleSurbs;

    /// <summary>The change of rotation after which the two queues were last told apart.</summary>
    public int Turn;

    /// <summary>SURBs asked for and not yet received, and when that was last asked.</summary>
    public int Requested;
    public long RequestedAt;

    /// <summary>SURBs used in the running and the last window of demand.</summary>
    public int UsedNow;
    public int UsedBefore;
    public long WindowStarted;

    /// <summary>Credit was refused since the last time it was offered.</summary>
    public bool CreditRefused;

    /// <summary>Of a return address: packets sent since its table was last thought of, the table, and its place if it is made.</summary>
    public int Packets;
    public PeerTableState Table;
    public int TablePlace;

    /// <summary>Packets sent whose ack is awaited.</summary>
    public int InFlight;

    /// <summary>Packets about to be built that will take a SURB each.</summary>
    public int Committed;

    /// <summary>Packets that wait for SURBs.</summary>
    public OutgoingQueue Parked;

    /// <summary>When data first wanted a SURB and there was none; 0: it has what it needs.</summary>
    public long StarvedSince;

    public readonly int SurbCount => Surbs.Count + StaleSurbs.Count;

    /// <summary>No connection refers to it and no packet is on its way.</summary>
    public readonly bool IsUnused => References == 0 && InFlight == 0 && Committed == 0 && Parked.Count == 0;
}

/// <summary>
/// The clients of one core: by sender tag, and by explicit return address. Bounded: at the limit, of a few looked at, the one heard of
/// least recently that nothing holds gives way.
/// </summary>
internal sealed class PeerTable
{
    public const int None = -1;
    private const int ScanPerTick = 64;

    private readonly Peer[] _peers;
    private readonly int[] _free;
    private long _opened;
    private readonly Dictionary<PeerTag, int> _byTag;
    private readonly Dictionary<Recipient, int> _byRecipient;
    private int _freeCount;
    private int _touched;
    private int _scan;

    public PeerTable(int maximum)
    {
        _peers = new Peer[maximum];
        _free = new int[maximum];
        for (int i = 0; i < maximum; i++)
            _free[_freeCount++] = maximum - 1 - i;
        _byTag = new Dictionary<PeerTag, int>(maximum, new KeyedTagComparer());
        _byRecipient = new Dictionary<Recipient, int>(Math.Min(maximum, 1024), new KeyedRecipientComparer());
    }

    public int Count => _peers.Length - _freeCount;

    public bool IsFull => _freeCount == 0;

    public ref Peer this[int index] => ref _peers[index];

    public bool TryFind(PeerTag tag, out int index) => _byTag.TryGetValue(tag, out index);

    public bool TryFind(in Recipient recipient, out int index) => _byRecipient.TryGetValue(recipient, out index);

    public bool TryOpen(PeerTag tag, long now, out int index)
    {
        if (!TryTake(now, out index))
            return false;
        _peers[index].Anonymous = true;
        _peers[index].Tag = tag;
        _byTag.Add(tag, index);
        return true;
    }

    public bool TryOpen(in Recipient recipient, long now, out int index)
    {
        if (!TryTake(now, out index))
            return false;
        _peers[index].Recipient = recipient;
        _byRecipient.Add(recipient, index);
        return true;
    }

    /// <summary>The caller has freed the peer's SURBs and parked packets.</summary>
    public void Close(int index)
    {
        ref Peer peer = ref _peers[index];
        if (peer.Anonymous)
            _byTag.Remove(peer.Tag);
        else
            _byRecipient.Remove(peer.Recipient);
        peer = default;
        _free[_freeCount++] = index;
    }

    /// <summary>Next peers to look at in this tick: a slice of the table that moves on.</summary>
    public (int First, int End) NextScan()
    {
        if (_scan >= _touched)
            _scan = 0;
        int first = _scan;
        int end = Math.Min(first + ScanPerTick, _touched);
        _scan = end;
        return (first, end);
    }

    /// <summary>Of the next few peers the one to give up for a newcomer: held by nobody, with nothing under way, silent for longest.</summary>
    public bool TryFindStale(long now, long silence, out int index)
    {
        (int first, int end) = NextScan();
        index = None;
        for (int i = first; i < end; i++)
        {
            ref readonly Peer peer = ref _peers[i];
            if (peer.InUse && peer.IsUnused && now - peer.LastHeard > silence
                && (index == None || peer.LastHeard < _peers[index].LastHeard))
                index = i;
        }

        return index != None;
    }

    private bool TryTake(long now, out int index)
    {
        index = None;
        if (_freeCount == 0)
            return false;
        index = _free[--_freeCount];
        _touched = Math.Max(_touched, index + 1);
        _peers[index] = new Peer
        {
            InUse = true,
            Identity = ++_opened,
            LastHeard = now,
            WindowStarted = now,
            Surbs = SurbQueue.Empty,
            StaleSurbs = SurbQueue.Empty,
            Parked = OutgoingQueue.Empty,
        };
        return true;
    }

    // Tags and addresses are the clients' choice: a secret key keeps them from choosing collisions.
    private sealed class KeyedTagComparer : IEqualityComparer<PeerTag>
    {
        private readonly ulong _low = Secret();
        private readonly ulong _high = Secret();

        public bool Equals(PeerTag x, PeerTag y) => x == y;

        public int GetHashCode(PeerTag tag) => Fold(Mix(tag, _low, _high));
    }

    private sealed class KeyedRecipientComparer : IEqualityComparer<Recipient>
    {
        private readonly ulong _low = Secret();
        private readonly ulong _high = Secret();

        public bool Equals(Recipient x, Recipient y) => x.Equals(y);

        public int GetHashCode(Recipient recipient)
        {
            // The encryption key is free to choose, so the whole address counts.
            ulong hash = Part(recipient.Identity, 0);
            hash = Part(recipient.EncryptionKey, hash);
            return Fold(Part(recipient.Gateway, hash));
        }

        private ulong Part(ReadOnlySpan<byte> key, ulong hash)
        {
            hash = Mix(PeerTag.Read(key), _low ^ hash, _high);
            return Mix(PeerTag.Read(key[16..]), _low ^ hash, _high);
        }
    }

    private static int Fold(ulong hash) => (int)(hash ^ (hash >> 32));

    private static ulong Mix(PeerTag tag, ulong low, ulong high) =>
        Math.BigMul(tag.Low ^ low, tag.High ^ high, out ulong rest) ^ rest;

    private static ulong Secret() => BitConverter.ToUInt64(RandomNumberGenerator.GetBytes(8));
}
