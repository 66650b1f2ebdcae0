using System.Net;
using System.Net.Sockets;
using System.Text;

namespace FastExit.Tests.Policy;

/// <summary>A real HTTP/1.1 server on loopback whose answers are written byte for byte by the test; one request per connection.</summary>
internal sealed class LoopbackWebServer : IAsyncDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _stop = new();
    private readonly List<string> _requests = [];
    private readonly Task _accepting;

    public LoopbackWebServer()
    {
        _listener.Start();
        _accepting = AcceptAsync();
    }

    /// <summary>Writes the answer to a request's head.</summary>
    public Func<string, Stream, CancellationToken, Task> Answer { get; set; } = (_, stream, stop) => SendAsync(stream, 404, "", "", stop);

    public Uri Url => new($"http://127.0.0.1:{((IPEndPoint)_listener.LocalEndpoint).Port}/exit-policy.txt");

    public IReadOnlyList<string> Requests
    {
        get
        {
            lock (_requests) return [.. _requests];
        }
    }

    public void AnswerWith(int status, string headers, string body) =>
        Answer = (_, stream, stop) => SendAsync(stream, status, headers, body, stop);

    public static async Task SendAsync(Stream stream, int status, string headers, string body, CancellationToken stop)
    {
        var bytes = Encoding.UTF8.GetBytes(body);
        var length = status == 304 ? "" : $"Content-Length: {bytes.Length}\r\n";
        await stream.WriteAsync(Encoding.ASCII.GetBytes($"HTTP/1.1 {status} Status\r\n{length}{headers}Connection: close\r\n\r\n"), stop);
        await stream.WriteAsync(bytes, stop);
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        _listener.Stop();
        await _accepting;
        _stop.Dispose();
    }

    private async Task AcceptAsync()
    {
        try
        {
            while (true)
            {
                var client = await _listener.AcceptTcpClientAsync(_stop.Token);
                _ = ServeAsync(client);
            }
        }
        catch (Exception error) when (error is OperationCanceledException or SocketException or ObjectDisposedException)
        {
        }
    }

    private async Task ServeAsync(TcpClient client)
    {
        using (client)
        {
            try
            {
                var stream = client.GetStream();
                var head = new StringBuilder();
                var buffer = new byte[4096];
                while (!head.ToString().Contains("\r\n\r\n", StringComparison.Ordinal))
                {
                    var read = await stream.ReadAsync(buffer, _stop.Token);
                    if (read == 0) return;
                    head.Append(Encoding.ASCII.GetString(buffer, 0, read));
                }

                lock (_requests) _requests.Add(head.ToString());
                await Answer(head.ToString(), stream, _stop.Token);
            }
            catch (Exception error) when (error is IOException or OperationCanceledException or SocketException or ObjectDisposedException)
            {
            }
        }
    }
}
