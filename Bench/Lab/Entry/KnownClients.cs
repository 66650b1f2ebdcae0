using System.Globalization;
using System.Runtime.InteropServices;

namespace FastExit.Bench.Lab.Entry;

/// <summary>A client that has registered here.</summary>
internal sealed class KnownClient(byte[] identity, SharedKey key, ClientMailbox mailbox, long bandwidth)
{
    private long _bandwidth = bandwidth;

    /// <summary>Held while a connection becomes this client's.</summary>
    public SemaphoreSlim Turn { get; } = new(1);

    public byte[] Identity => identity;

    public SharedKey Key { get; set; } = key;

    public ClientMailbox Mailbox => mailbox;

    /// <summary>Newest timestamp, UNIX seconds, that an authentication used.</summary>
    public ulong LastTimestamp { get; set; }

    /// <summary>Its connection; null while it is away.</summary>
    public EntrySession? Session { get; set; }

    public long LastSeen { get; set; } = Environment.TickCount64;

    public long Bandwidth => Volatile.Read(ref _bandwidth);

    public long AddBandwidth(long bytes) => Interlocked.Add(ref _bandwidth, bytes);
}

/// <summary>
/// Registered clients of one gateway. Their keys outlive it in a file of one line each change: identity and key in hexadecimal, the key's
/// form, the newest timestamp; the last line of a client counts.
/// </summary>
internal sealed class KnownClients
{
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;
    private readonly Lock _lock = new();
    private readonly Dictionary<UInt128, KnownClient> _clients = [];
    private readonly string? _file;
    private readonly EntrySettings _settings;
    private readonly EntryGateway _gateway;
    private readonly EntryCounters _counters;
    private readonly MailboxRoom _room;

    /// <param name="gateway">Gets a mailbox for each client.</param>
    /// <param name="file">Null: they are forgotten with this object.</param>
    /// <exception cref="LabException">The file cannot be read.</exception>
    public KnownClients(EntryGateway gateway, string? file, EntrySettings settings, EntryCounters counters)
    {
        _gateway = gateway;
        _file = file;
        _settings = settings;
        _counters = counters;
        _room = new MailboxRoom(settings.WaitingBytes);
        if (file is not null && File.Exists(file))
            Load(file);
    }

    public KnownClient? Find(ReadOnlySpan<byte> identity)
    {
        if (identity.Length != 32)
            return null;
        lock (_lock)
            return _clients.TryGetValue(Name(identity), out KnownClient? client) && identity.SequenceEqual(client.Identity) ? client : null;
    }

    /// <summary>Takes a client in; one that registers again keeps what waits for it.</summary>
    public KnownClient Register(ReadOnlySpan<byte> identity, SharedKey key)
    {
        lock (_lock)
        {
            KnownClient client = Add(identity, key);
            Append(client);
            return client;
        }
    }

    public void UseTimestamp(KnownClient client, ulong timestamp)
    {
        lock (_lock)
        {
            client.LastTimestamp = timestamp;
            Append(client);
        }
    }

    private static UInt128 Name(ReadOnlySpan<byte> identity) => MemoryMarshal.Read<UInt128>(identity);

    private KnownClient Add(ReadOnlySpan<byte> identity, SharedKey key)
    {
        if (_clients.TryGetValue(Name(identity), out KnownClient? client))
        {
            client.Key = key;
            return client;
        }

        if (_clients.Count >= _settings.MaximumClients
            && _clients.Values.Where(known => known.Session is null).MinBy(known => known.LastSeen) is { } oldest)
        {
            _gateway.Detach(oldest.Identity);
            oldest.Mailbox.Clear();
            _clients.Remove(Name(oldest.Identity));
        }

        client = new KnownClient(identity.ToArray(), key, new ClientMailbox(_settings, _counters, _room), _settings.FirstBandwidth);
        _clients[Name(identity)] = client;
        _gateway.Attach(identity, client.Mailbox);
        return client;
    }

    private static string Line(KnownClient client) => string.Create(
        CultureInfo.InvariantCulture,
        $"{Convert.ToHexStringLower(client.Identity)} {Convert.ToHexStringLower(client.Key.Value)} {(client.Key.IsLegacy ? 1 : 3)} {client.LastTimestamp}\n");

    private void Append(KnownClient client)
    {
        if (_file is not null)
            Write(_file, FileMode.Append, Line(client));
    }

    private static void Write(string file, FileMode mode, string text)
    {
        using var stream = new FileStream(
            file, new FileStreamOptions { Mode = mode, Access = FileAccess.Write, UnixCreateMode = OwnerOnly });
        using var writer = new StreamWriter(stream);
        writer.Write(text);
    }

    private void Load(string file)
    {
        try
        {
            // A line that was being written when the process was killed has no end.
            foreach (string line in File.ReadAllText(file).Split('\n')[..^1])
            {
                string[] parts = line.Split(' ');
                byte[] identity = Convert.FromHexString(parts[0]), key = Convert.FromHexString(parts[1]);
                if (identity.Length != 32 || key.Length != SharedKey.Bytes)
                    throw new FormatException("a key has another length");
                Add(identity, SharedKey.From(key, parts[2] == "1")).LastTimestamp = ulong.Parse(parts[3], CultureInfo.InvariantCulture);
            }

            string temporary = file + ".new";
            Write(temporary, FileMode.Create, string.Concat(_clients.Values.Select(Line)));
            File.Move(temporary, file, overwrite: true);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or FormatException or IndexOutOfRangeException)
        {
            throw new LabException($"cannot read the clients in {file}: {e.Message}; remove it, and they register anew");
        }
    }
}
