using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace FastExit.Tests.Resolution;

internal enum RecordType : ushort
{
    A = 1,
    CName = 5,
    Aaaa = 28,
}

internal sealed record DnsRecord(string Owner, RecordType Type, byte[] Data, int TimeToLive);

/// <summary>One answer: response code (0 NOERROR, 2 SERVFAIL, 3 NXDOMAIN, 5 REFUSED) and records.</summary>
internal sealed record DnsReply(int Code, IReadOnlyList<DnsRecord> Records)
{
    public static DnsReply Empty { get; } = new(0, []);

    public static DnsReply NoSuchName { get; } = new(3, []);

    public static DnsReply ServerFailure { get; } = new(2, []);
}

/// <summary>
/// A real DNS server (RFC 1035, UDP) on loopback. The test's function answers each question; null keeps silent. Questions
/// are counted by name and type.
/// </summary>
internal sealed class LoopbackDnsServer : IAsyncDisposable
{
    private readonly Socket _socket = new(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
    private readonly CancellationTokenSource _stop = new();
    private readonly ConcurrentDictionary<(string, RecordType), int> _questions = new();
    private readonly Task _serving;

    public LoopbackDnsServer()
    {
        _socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        _serving = ServeAsync();
    }

    public Func<string, RecordType, DnsReply?> Answer { get; set; } = (_, _) => DnsReply.NoSuchName;

    public TimeSpan Delay { get; set; }

    /// <summary>When set, sent instead of any answer (after the question's id).</summary>
    public byte[]? Garbage { get; set; }

    public IPEndPoint Endpoint => (IPEndPoint)_socket.LocalEndPoint!;

    public int Questions(string name, RecordType type) => _questions.GetValueOrDefault((name, type));

    public int AllQuestions => _questions.Values.Sum();

    public static DnsRecord Address(string owner, string address, int timeToLive = 300)
    {
        var bytes = IPAddress.Parse(address).GetAddressBytes();
        return new DnsRecord(owner, bytes.Length == 4 ? RecordType.A : RecordType.Aaaa, bytes, timeToLive);
    }

    public static DnsRecord Alias(string owner, string target, int timeToLive = 300) =>
        new(owner, RecordType.CName, Encode(target), timeToLive);

    /// <summary>Answers a name's addresses by family; other names do not exist.</summary>
    public void Serve(string name, params string[] addresses)
    {
        var records = addresses.Select(address => Address(name, address)).ToArray();
        var before = Answer;
        Answer = (asked, type) => asked == name ? new DnsReply(0, [.. records.Where(record => record.Type == type)]) : before(asked, type);
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _serving;
        _socket.Dispose();
        _stop.Dispose();
    }

    private async Task ServeAsync()
    {
        var buffer = new byte[4096];
        try
        {
            while (true)
            {
                var received = await _socket.ReceiveFromAsync(buffer, SocketFlags.None, new IPEndPoint(IPAddress.Any, 0), _stop.Token);
                _ = ReplyAsync(buffer.AsSpan(0, received.ReceivedBytes).ToArray(), received.RemoteEndPoint);
            }
        }
        catch (Exception error) when (error is OperationCanceledException or ObjectDisposedException)
        {
        }
    }

    private async Task ReplyAsync(byte[] query, EndPoint asker)
    {
        var end = 12;
        var labels = new List<string>();
        while (query[end] != 0)
        {
            labels.Add(Encoding.ASCII.GetString(query, end + 1, query[end]));
            end += query[end] + 1;
        }

        var type = (RecordType)BinaryPrimitives.ReadUInt16BigEndian(query.AsSpan(end + 1));
        end += 5;
        var name = string.Join('.', labels).ToLowerInvariant();
        _questions.AddOrUpdate((name, type), 1, static (_, count) => count + 1);
        try
        {
            if (Delay > TimeSpan.Zero) await Task.Delay(Delay, _stop.Token);
            if (Garbage is { } garbage)
            {
                await _socket.SendToAsync(new[] { query[0], query[1] }.Concat(garbage).ToArray(), SocketFlags.None, asker, _stop.Token);
                return;
            }

            if (Answer(name, type) is { } reply)
                await _socket.SendToAsync(Write(query.AsSpan(0, end), reply), SocketFlags.None, asker, _stop.Token);
        }
        catch (Exception error) when (error is OperationCanceledException or ObjectDisposedException or SocketException)
        {
        }
    }

    private static byte[] Write(ReadOnlySpan<byte> query, DnsReply reply)
    {
        var message = new List<byte>();
        message.AddRange(query);
        message[2] = 0x81;
        message[3] = (byte)(0x80 | reply.Code);
        (message[6], message[7]) = ((byte)(reply.Records.Count >> 8), (byte)reply.Records.Count);
        for (var i = 8; i < 12; i++) message[i] = 0;
        foreach (var record in reply.Records)
        {
            message.AddRange(Encode(record.Owner));
            message.AddRange([0, (byte)record.Type, 0, 1]);
            message.AddRange([(byte)(record.TimeToLive >> 24), (byte)(record.TimeToLive >> 16), (byte)(record.TimeToLive >> 8), (byte)record.TimeToLive]);
            message.AddRange([(byte)(record.Data.Length >> 8), (byte)record.Data.Length]);
            message.AddRange(record.Data);
        }

        return [.. message];
    }

    private static byte[] Encode(string name) =>
        [.. name.Split('.').SelectMany(label => new[] { (byte)label.Length }.Concat(Encoding.ASCII.GetBytes(label))), 0];
}
